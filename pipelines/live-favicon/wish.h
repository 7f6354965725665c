// SPDX-License-Identifier: MIT
// What a visitor asks for, read from a query string and checked before anything is started.
#pragma once

#include <cstdint>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>

namespace favicon {

struct Limits {
  unsigned visitors = 32;  ///< who paint at the same time; further ones are told to come back
  unsigned share = 0;      ///< how many of them from one address; 0: a quarter, and one at least
  unsigned steps = 64;
  unsigned prompt_bytes = 200;
};

/// What an icon begins with in the place of noise.
struct Sketch {
  double strength = 0.7;  ///< how far the icon may go from it, 0 … 1
  std::string page;       ///< who drew it: of one page only the newest is painted; empty: nobody says
  std::string pixels;     ///< RGBA, of the model's size
  bool operator==(const Sketch&) const = default;
};

/// What one icon is a function of.
struct Wish {
  std::string prompt, style;
  std::uint64_t seed = 0;
  unsigned steps = 0;
  std::optional<Sketch> sketch;

  bool operator==(const Wish&) const = default;
};

/// The visitor's mistake; the text is the answer.
class BadRequest : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// `query` is what follows the question mark, still encoded. `drawn`: there is a sketch, whose pixels come elsewhere.
/// Throws BadRequest.
Wish parse_wish(std::string_view query, const Limits& limits, unsigned default_steps, bool drawn);

/// The value of `name`, and nothing else in the query: at most `most` bytes of text in one line; empty if there is no
/// query. Throws BadRequest.
std::string parse_only(std::string_view query, std::string_view name, std::size_t most);

}  // namespace favicon
