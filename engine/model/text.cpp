// SPDX-License-Identifier: MIT
// utf8proc (MIT, 0.3 MB with its tables) and not ICU (30 MB of data) or libunistring (LGPL, 1.5 MB): NFKC, folding,
// ignorable characters and categories are all that is needed, and it does the first three in one pass.
#include "engine/model/text.h"

#include <utf8proc.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <memory>
#include <new>
#include <numeric>
#include <utility>

namespace dit {
namespace {

constexpr utf8proc_int32_t blank = ' ';
constexpr utf8proc_int32_t nothing = 0x200d;  // default-ignorable, so that normalisation drops it
constexpr utf8proc_int32_t dot_above = 0x307;
constexpr std::size_t shown = 80;

bool is_ascii_word(utf8proc_int32_t c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == ':';
}

/// Letters of their category that people write as apostrophes, and blanks that look like other things to Unicode.
bool is_parting_letter(utf8proc_int32_t c) {
  constexpr std::array<utf8proc_int32_t, 7> all = {0x2bb, 0x2bc, 0x200b, 0x2800, 0x3164, 0xffa0, 0xfffc};
  return std::ranges::find(all, c) != all.end();
}

bool is_skin_tone(utf8proc_int32_t c) { return c >= 0x1f3fb && c <= 0x1f3ff; }

enum class Kind { letter, mark, picture, other };

Kind kind_of(utf8proc_int32_t c) {
  if (c < 128) return is_ascii_word(c) ? Kind::letter : Kind::other;
  if (is_parting_letter(c)) return Kind::other;
  switch (utf8proc_category(c)) {
    case UTF8PROC_CATEGORY_LU:
    case UTF8PROC_CATEGORY_LL:
    case UTF8PROC_CATEGORY_LT:
    case UTF8PROC_CATEGORY_LM:
    case UTF8PROC_CATEGORY_LO:
    case UTF8PROC_CATEGORY_ND:
    case UTF8PROC_CATEGORY_NL:
    case UTF8PROC_CATEGORY_NO:
      return Kind::letter;
    case UTF8PROC_CATEGORY_MN:
    case UTF8PROC_CATEGORY_MC:
    case UTF8PROC_CATEGORY_ME:
      return Kind::mark;
    // What this version of Unicode does not know yet is mostly another emoji.
    case UTF8PROC_CATEGORY_SO:
    case UTF8PROC_CATEGORY_CO:
    case UTF8PROC_CATEGORY_CN:
      return Kind::picture;
    default:
      return is_skin_tone(c) ? Kind::picture : Kind::other;
  }
}

/// Before normalisation, which makes other characters of some that part words: a blank and a mark of U+00B4, say.
utf8proc_int32_t part(utf8proc_int32_t c, void*) {
  if (kind_of(c) != Kind::other) return c;
  const bool unseen = c != 0x200b && utf8proc_category(c) == UTF8PROC_CATEGORY_CF;
  return unseen ? nothing : blank;
}

void append(std::string& text, utf8proc_int32_t c) {
  std::array<utf8proc_uint8_t, 4> bytes{};
  const auto size = utf8proc_encode_char(c, bytes.data());
  text.append(reinterpret_cast<const char*>(bytes.data()), static_cast<std::size_t>(size));
}

/// NFKC_Casefold of Unicode, words parted by blanks.
std::u32string normalise(std::string_view text) {
  const std::string valid = encode_utf8(decode_utf8(text));
  constexpr int options = UTF8PROC_STABLE | UTF8PROC_COMPOSE | UTF8PROC_COMPAT | UTF8PROC_CASEFOLD | UTF8PROC_IGNORE;
  utf8proc_uint8_t* mapped = nullptr;
  const auto size = utf8proc_map_custom(reinterpret_cast<const utf8proc_uint8_t*>(valid.data()),
                                        static_cast<utf8proc_ssize_t>(valid.size()), &mapped,
                                        static_cast<utf8proc_option_t>(options), part, nullptr);
  if (size < 0) throw std::bad_alloc();  // the text is valid, and nothing else can go wrong
  const std::unique_ptr<utf8proc_uint8_t, decltype(&std::free)> owned(mapped, std::free);
  return decode_utf8({reinterpret_cast<const char*>(mapped), static_cast<std::size_t>(size)});
}

std::string fold_ascii(std::string_view text) {
  std::string result;
  result.reserve(text.size());
  for (const char c : text) {
    if (is_ascii_word(c)) {
      result += c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    } else if (!result.empty() && result.back() != ' ') {
      result += ' ';
    }
  }
  if (result.ends_with(' ')) result.pop_back();
  return result;
}

}  // namespace

std::string encode_utf8(std::u32string_view text) {
  std::string result;
  result.reserve(text.size());
  for (const char32_t c : text) append(result, static_cast<utf8proc_int32_t>(c));
  return result;
}

std::u32string decode_utf8(std::string_view text) {
  std::u32string result;
  result.reserve(text.size());
  while (!text.empty()) {
    utf8proc_int32_t c = 0;
    const auto used = utf8proc_iterate(reinterpret_cast<const utf8proc_uint8_t*>(text.data()),
                                       static_cast<utf8proc_ssize_t>(text.size()), &c);
    result += used > 0 ? static_cast<char32_t>(c) : U'\ufffd';
    text.remove_prefix(used > 0 ? static_cast<std::size_t>(used) : 1);
  }
  return result;
}

std::string fold_text(std::string_view text) {
  if (std::ranges::all_of(text, [](char c) { return static_cast<unsigned char>(c) < 128; })) return fold_ascii(text);
  std::string result;
  Kind before = Kind::other;
  for (const char32_t code : normalise(text)) {
    const auto c = static_cast<utf8proc_int32_t>(code);
    Kind kind = kind_of(c);
    if (kind == Kind::mark) {
      // The dot of a Turkish capital İ is the dot that an i has anyway; a mark of nothing is nothing.
      if (before == Kind::other || (c == dot_above && result.ends_with('i'))) continue;
      kind = before;
    }
    const bool parts = kind == Kind::other || (before != Kind::other && kind != before);
    if (parts && !result.empty() && !result.ends_with(' ')) result += ' ';
    if (kind != Kind::other) append(result, c);
    before = kind;
  }
  if (result.ends_with(' ')) result.pop_back();
  return result;
}

std::vector<std::string> split_words(std::string_view text) {
  const std::string folded = fold_text(text);
  std::vector<std::string> words;
  for (std::string_view rest = folded; !rest.empty();) {
    std::string_view word = rest.substr(0, rest.find(' '));
    rest.remove_prefix(std::min(rest.size(), word.size() + 1));
    const std::size_t first = word.find_first_not_of(':');
    if (first != std::string_view::npos) words.emplace_back(word.substr(first, word.find_last_not_of(':') + 1 - first));
  }
  return words;
}

std::size_t edit_distance(std::u32string_view a, std::u32string_view b, std::size_t most,
                          std::vector<std::size_t>& row) {
  row.resize(b.size() + 1);
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::size_t diagonal = std::exchange(row[0], i);
    std::size_t least = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t change = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
      diagonal = std::exchange(row[j], std::min({change, row[j] + 1, row[j - 1] + 1}));
      least = std::min(least, row[j]);
    }
    if (least > most) return least;
  }
  return row.back();
}

std::string lower_ascii(std::string_view text) {
  std::string result(text);
  for (char& c : result) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return result;
}

std::string shorten(std::string_view text) {
  // No more than is looked at: a text may be as long as a file.
  const std::u32string start = decode_utf8(text.substr(0, 4 * (shown + 1)));
  std::string result;
  for (const char32_t c : start.substr(0, shown)) {
    const auto category = utf8proc_category(static_cast<utf8proc_int32_t>(c));
    append(result, category == UTF8PROC_CATEGORY_CC ? blank : static_cast<utf8proc_int32_t>(c));
  }
  return start.size() > shown ? result + "..." : result;
}

}  // namespace dit
