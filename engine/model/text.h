// SPDX-License-Identifier: MIT
// What people type and what tables hold, made comparable: by Unicode, never by the locale of the process.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace dit {

/// Words in the form in which they are compared, with one blank between them: NFKC, case folded, without characters
/// that nobody sees. Letters, digits, marks, pictographs and ':' make words, pictographs words of their own; everything
/// else parts them, such as blanks, punctuation, signs and controls of any kind. Bytes that are not UTF-8 become
/// U+FFFD, which is a pictograph.
std::string fold_text(std::string_view text);

/// The words of fold_text. A ':' belongs to a word inside it ("c:red"), not around it ("keycap: 10").
std::vector<std::string> split_words(std::string_view text);

/// ASCII letters only, for names of devices and the like.
std::string lower_ascii(std::string_view text);

/// The start of a text that a user gave, for messages: at most 80 characters, without controls.
std::string shorten(std::string_view text);

/// Levenshtein distance, or anything above `most` if it is above that.
/// row  scratch
std::size_t edit_distance(std::u32string_view a, std::u32string_view b, std::size_t most,
                          std::vector<std::size_t>& row);

/// Code points; U+FFFD for what is not UTF-8.
std::u32string decode_utf8(std::string_view text);
std::string encode_utf8(std::u32string_view text);

}  // namespace dit
