// SPDX-License-Identifier: MIT
#include "engine/cli/text/numbers.h"

#include <fmt/core.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <system_error>
#include <utility>

namespace dit::cli {
namespace {

/// The whole text as a number; whether it is one.
template <typename Number>
bool read(const std::string& text, Number& value) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && end == text.data() + text.size();
}

}  // namespace

NumberCheck whole_number(std::uint64_t low, std::uint64_t high) {
  return [low, high](const std::string& text) -> std::string {
    std::uint64_t value = 0;
    const bool octal = text.size() > 1 && text.starts_with('0');  // CLI11 takes 010 for 8
    if (!octal && read(text, value) && value >= low && value <= high) return {};
    return fmt::format("expected a whole number from {} to {}, found '{}'", low, high, text);
  };
}

NumberCheck real_number(double low, double high) {
  return [low, high](const std::string& text) -> std::string {
    double value = 0;
    if (read(text, value) && value >= low && value <= high) return {};  // not a number is in no range
    return fmt::format("expected a number from {} to {}, found '{}'", low, high, text);
  };
}

NumberCheck any_number() {
  return [](const std::string& text) -> std::string {
    double value = 0;
    return read(text, value) ? std::string() : fmt::format("expected a number, found '{}'", text);
  };
}

NumberCheck one_of(std::vector<std::string> texts) {
  return [texts = std::move(texts)](const std::string& text) -> std::string {
    if (std::ranges::find(texts, text) != texts.end()) return {};
    return fmt::format("expected one of {}, found '{}'", fmt::join(texts, ", "), text);
  };
}

}  // namespace dit::cli
