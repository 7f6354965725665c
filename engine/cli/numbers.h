// SPDX-License-Identifier: MIT
// Checks of numbers on the command line, for CLI11's check().
#pragma once

#include <string>

namespace dit::cli {

/// Empty, or what is wrong: CLI11 itself takes "-1" and clips what is too large.
std::string whole_number(const std::string& text);

}  // namespace dit::cli
