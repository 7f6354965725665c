// SPDX-License-Identifier: MIT
// Checks of numbers on the command line, for CLI11's check(). CLI11 itself takes "-1", "0x10" and "nan", "010" for 8,
// and clips what is too large.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace dit::cli {

/// Empty, or what is wrong with a text.
using NumberCheck = std::function<std::string(const std::string&)>;

/// Digits and nothing else, without zeros in front, a number from `low` to `high`.
NumberCheck whole_number(std::uint64_t low = 0, std::uint64_t high = UINT64_MAX);
/// A decimal number from `low` to `high`, perhaps with an exponent, and nothing else.
NumberCheck real_number(double low, double high);
/// The same of any size, where the engine knows the range.
NumberCheck any_number();
/// One of these texts.
NumberCheck one_of(std::vector<std::string> texts);

}  // namespace dit::cli
