// SPDX-License-Identifier: MIT
#include "engine/model/prompts/pieces.h"

#include <utf8proc.h>

#include <algorithm>
#include <array>
#include <utility>

#include "engine/model/text.h"

namespace dit {
namespace {

using Text = std::u32string_view;

constexpr char32_t text_selector = 0xfe0e, emoji_selector = 0xfe0f, joiner = 0x200d, keycap = 0x20e3, not_utf8 = 0xfffd;

bool between(char32_t c, char32_t first, char32_t last) { return c >= first && c <= last; }
utf8proc_category_t category(char32_t c) { return utf8proc_category(static_cast<utf8proc_int32_t>(c)); }
bool is_tone(char32_t c) { return between(c, 0x1f3fb, 0x1f3ff); }
bool is_selector(char32_t c) { return c == text_selector || c == emoji_selector; }

/// Emoji and other symbols beyond ASCII; of punctuation and mathematics only what is drawn as emoji too.
bool is_picture(char32_t c) {
  constexpr std::array<char32_t, 7> others = {0x203c, 0x2049, 0x2139, 0x2194, 0x3030, 0x303d, 0x2795};
  if (c < 0x80 || c == not_utf8) return false;
  // Emoji that are younger than the library's Unicode.
  const bool young = category(c) == UTF8PROC_CATEGORY_CN && between(c, 0x1f000, 0x1faff);
  return category(c) == UTF8PROC_CATEGORY_SO || young || is_tone(c) || std::ranges::find(others, c) != others.end();
}

/// Length of the keycap that begins the text ("5", perhaps a selector, U+20E3); 0 if none does.
std::size_t keycap_length(Text text) {
  if (text.empty() || !(between(text[0], '0', '9') || text[0] == '#' || text[0] == '*')) return 0;
  const std::size_t at = text.size() > 1 && text[1] == emoji_selector ? 2 : 1;
  return at < text.size() && text[at] == keycap ? at + 1 : 0;
}

/// Length of the pictures side by side that begin the text, with what belongs to them: joiners, selectors, and the tags
/// that say whose black flag it is.
std::size_t pictures_length(Text text) {
  std::size_t at = 0;
  while (at < text.size()) {
    const char32_t c = text[at];
    const bool belongs = at > 0 && (is_selector(c) || c == joiner || between(c, 0xe0020, 0xe007f));
    const std::size_t cap = keycap_length(text.substr(at));
    if (!is_picture(c) && !belongs && cap == 0) break;
    at += std::max<std::size_t>(cap, 1);
  }
  return at;
}

bool is_quote(char32_t c) {
  if (c == U'"' || c == 0x201e || between(c, 0x300c, 0x300f) || c == 0xff02) return true;
  return c != 0x2019 && (category(c) == UTF8PROC_CATEGORY_PI || category(c) == UTF8PROC_CATEGORY_PF);
}

bool begins_quoted_letter(Text text) {
  return text.size() > 2 && is_quote(text[0]) && is_quote(text[2]) && category(text[1]) >= UTF8PROC_CATEGORY_LU &&
         category(text[1]) <= UTF8PROC_CATEGORY_NO;
}

}  // namespace

std::vector<Piece> split_pieces(std::string_view text) {
  std::vector<Piece> pieces;
  const std::u32string all = decode_utf8(text);
  std::size_t begin = 0;
  const auto finish_words = [&](std::size_t end) {
    for (std::string& word : split_words(encode_utf8(Text(all).substr(begin, end - begin)))) {
      pieces.push_back({Piece::Kind::word, std::move(word)});
    }
  };
  for (std::size_t at = 0; at < all.size();) {
    const Text rest = Text(all).substr(at);
    const bool quoted = begins_quoted_letter(rest);
    const std::size_t pictures = quoted ? 0 : pictures_length(rest);
    if (!quoted && pictures == 0) {
      ++at;
      continue;
    }
    finish_words(at);
    if (quoted) {
      pieces.push_back({Piece::Kind::letter, fold_text(encode_utf8(rest.substr(1, 1)))});
    } else {
      std::u32string kept;
      std::ranges::remove_copy_if(rest.substr(0, pictures), std::back_inserter(kept),
                                  [](char32_t c) { return is_tone(c) || is_selector(c); });
      if (!kept.empty()) pieces.push_back({Piece::Kind::pictures, encode_utf8(kept)});
    }
    at += quoted ? 3 : pictures;
    begin = at;
  }
  finish_words(all.size());
  return pieces;
}

std::size_t next_code_point(std::string_view text, std::size_t at) {
  ++at;
  while (at < text.size() && (static_cast<unsigned char>(text[at]) & 0xc0) == 0x80) ++at;
  return at;
}

bool has_no_blanks(std::string_view word) {
  return std::ranges::any_of(decode_utf8(word), [](char32_t c) {
    return between(c, 0x2e80, 0x9fff) || between(c, 0xf900, 0xfaff) || between(c, 0xe00, 0xeff) ||
           between(c, 0x20000, 0x3ffff);
  });
}

}  // namespace dit
