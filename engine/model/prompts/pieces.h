// SPDX-License-Identifier: MIT
// A prompt's text in pieces as the lexicon wants them: words, emoji with all that belongs to them, letters in quotes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace dit {

struct Piece {
  enum class Kind : std::uint8_t {
    word,      ///< as split_words() has it
    pictures,  ///< emoji side by side, joined or not, without variation selectors and skin tones
    letter,    ///< one letter or digit that stood in quotes
  };
  Kind kind = Kind::word;
  std::string text;
  bool operator==(const Piece&) const = default;
};

std::vector<Piece> split_pieces(std::string_view text);

/// Where the code point of UTF-8 text ends that begins at `at`.
std::size_t next_code_point(std::string_view text, std::size_t at);

/// Whether a word is of a script that puts no blanks between words: Han, kana, Thai.
bool has_no_blanks(std::string_view word);

}  // namespace dit
