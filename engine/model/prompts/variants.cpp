// SPDX-License-Identifier: MIT
#include "engine/model/prompts/variants.h"

#include <utf8proc.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <memory>
#include <string_view>
#include <utility>

#include "engine/model/text.h"

namespace dit {
namespace {

constexpr char32_t after_arabic = 0x700;
// Letters that have no accent that could be taken away.
constexpr std::array<std::pair<std::string_view, std::string_view>, 6> plain = {
    {{"ł", "l"}, {"ø", "o"}, {"đ", "d"}, {"ı", "i"}, {"æ", "ae"}, {"œ", "oe"}}};

std::u32string_view alphabet_of(const std::u32string& word) {
  constexpr std::u32string_view latin = U"abcdefghijklmnopqrstuvwxyz", cyrillic = U"абвгдежзийклмнопрстуфхцчшщъыьэюя";
  if (std::ranges::all_of(word, [](char32_t c) { return c < 0x250; })) return latin;
  if (std::ranges::all_of(word, [](char32_t c) { return c >= 0x400 && c < 0x530; })) return cyrillic;
  return {};
}

}  // namespace

std::string without_marks(const std::string& word) {
  const std::u32string letters = decode_utf8(word);
  if (std::ranges::any_of(letters, [](char32_t c) { return c >= after_arabic && (c < 0x1e00 || c >= 0x2000); })) {
    return word;
  }
  utf8proc_uint8_t* mapped = nullptr;
  const auto size =
      utf8proc_map(reinterpret_cast<const utf8proc_uint8_t*>(word.data()), static_cast<utf8proc_ssize_t>(word.size()),
                   &mapped, static_cast<utf8proc_option_t>(UTF8PROC_COMPOSE | UTF8PROC_STRIPMARK));
  const std::unique_ptr<utf8proc_uint8_t, decltype(&std::free)> owned(mapped, std::free);
  if (size < 0) return word;
  std::string text(reinterpret_cast<const char*>(mapped), static_cast<std::size_t>(size));
  for (const auto& [letter, typed] : plain) {
    for (std::size_t at = 0; (at = text.find(letter, at)) != std::string::npos; at += typed.size()) {
      text.replace(at, letter.size(), typed);
    }
  }
  return text;
}

std::vector<std::string> one_slip_away(const std::string& word) {
  constexpr std::size_t least = 5, most = 24, farthest = 3;
  const std::u32string letters = decode_utf8(word);
  const std::u32string_view alphabet = alphabet_of(letters);
  std::vector<std::string> found;
  if (letters.size() < least || letters.size() > most || alphabet.empty()) return found;
  for (std::size_t i = 0; i + 1 < letters.size(); ++i) {
    for (std::size_t j = i + 1; j < letters.size() && j <= i + (i == 0 ? 1 : farthest); ++j) {
      std::u32string other = letters;
      std::swap(other[i], other[j]);
      found.push_back(encode_utf8(other));
    }
  }
  for (std::size_t i = 1; i < letters.size(); ++i) {
    std::u32string other = letters;
    found.push_back(encode_utf8(other.erase(i, 1)));
  }
  for (std::size_t i = 1; i <= letters.size(); ++i) {
    for (const char32_t letter : alphabet) {
      std::u32string other = letters;
      found.push_back(encode_utf8(other.insert(i, 1, letter)));
      if (i == letters.size()) continue;
      other = letters;
      other[i] = letter;
      found.push_back(encode_utf8(other));
    }
  }
  return found;
}

bool is_english_form(std::string_view word, std::string_view base) {
  constexpr std::array<std::string_view, 8> endings = {"s", "es", "ed", "d", "ing", "y", "ie", "ies"};
  const auto has_ending = [&](std::string_view stem) {
    return word.starts_with(stem) && std::ranges::find(endings, word.substr(stem.size())) != endings.end();
  };
  return has_ending(base) ||
         ((base.ends_with('e') || base.ends_with('y')) && has_ending(base.substr(0, base.size() - 1)));
}

}  // namespace dit
