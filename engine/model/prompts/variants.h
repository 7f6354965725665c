// SPDX-License-Identifier: MIT
// How else a word may be written: without its accents, with one letter mistyped.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace dit {

/// The word without accents, vowel points and dots, of the scripts that can be written so (Latin, Greek, Cyrillic,
/// Hebrew, Arabic); as it is for others.
std::string without_marks(const std::string& word);

/// Words that become this one by one slip: two letters near each other exchanged, one too many, one too few, one wrong;
/// never the first letter wrong, which people seldom mistype. Of Latin and Cyrillic letters; nothing for other scripts
/// and for words so short that they are near to anything.
std::vector<std::string> one_slip_away(const std::string& word);

/// Whether the word is another form of an English one: only its ending is another one.
bool is_english_form(std::string_view word, std::string_view base);

}  // namespace dit
