// SPDX-License-Identifier: MIT
// Text of others, for messages and tables: names out of files, words of users, what a library says.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace dit {

/// Bytes that a name gets in a message or a line of a table.
inline constexpr std::size_t name_length = 100;

/// The text on one line, as it can neither drive a terminal nor pretend to be somebody else's line: control characters,
/// line ends, marks that turn the direction of writing, invisible characters and bytes that are no UTF-8 become \n,
/// \x1b, \u{202e}. What is longer than `most` bytes loses its middle, and says how long it was.
std::string printable(std::string_view text, std::size_t most = static_cast<std::size_t>(-1));

}  // namespace dit
