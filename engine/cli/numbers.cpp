// SPDX-License-Identifier: MIT
#include "engine/cli/numbers.h"

#include <fmt/core.h>

#include <charconv>
#include <cstdint>
#include <system_error>

namespace dit::cli {

std::string whole_number(const std::string& text) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error == std::errc() && end == text.data() + text.size()) return {};
  return fmt::format("expected a whole number from 0 to 18446744073709551615, found '{}'", text);
}

}  // namespace dit::cli
