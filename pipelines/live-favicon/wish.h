// SPDX-License-Identifier: MIT
// What a visitor asks for, read from a query string and checked before anything is started.
#pragma once

#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>

namespace favicon {

struct Limits {
  unsigned visitors = 32;  ///< who paint at the same time; further ones are told to come back
  unsigned steps = 64;
  unsigned prompt_bytes = 200;
};

/// What one icon is a function of.
struct Wish {
  std::string prompt, style;
  std::uint64_t seed = 0;
  unsigned steps = 0;

  bool operator==(const Wish&) const = default;
};

/// The visitor's mistake; the text is the answer.
class BadRequest : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// `query` is what follows the question mark, still encoded. Throws BadRequest.
Wish parse_wish(std::string_view query, const Limits& limits, unsigned default_steps);

}  // namespace favicon
