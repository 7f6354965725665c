// SPDX-License-Identifier: MIT
// JSON that others wrote: nlohmann's reader with limits, and numbers out of it that are what they say.
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>

namespace dit {

/// A whole text. Nested over 64 deep, with more than two million values or a key twice in an object it is refused, so
/// that neither a destructor nor whoever walks over it runs out of stack, and a text costs no more than its length.
/// errors  wrong_format: `what`, and why
nlohmann::json parse_json(std::string_view text, const std::string& what);

/// A value for a message, shortened.
std::string text_of(const nlohmann::json& value);

/// A number without a fraction within [low, high]. errors: wrong_format: `what`, what was expected and found
std::uint64_t whole_of(const nlohmann::json& value, std::uint64_t low, std::uint64_t high, const std::string& what);
/// A number within [low, high]. errors: as above
double real_of(const nlohmann::json& value, double low, double high, const std::string& what);

}  // namespace dit
