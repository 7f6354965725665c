// SPDX-License-Identifier: MIT
#include "pipelines/live-favicon/wish.h"

#include <fmt/core.h>
#include <glib.h>

#include <algorithm>
#include <charconv>
#include <functional>
#include <memory>
#include <set>
#include <string>

namespace favicon {
namespace {

constexpr std::size_t most_style_bytes = 64;
/// A page names itself by a random number that no other page can guess.
constexpr std::size_t least_page_digits = 16, most_page_digits = 64;

template <typename Number>
Number parse_number(std::string_view name, const std::string& text, Number least, Number most) {
  Number value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  // NaN is neither.
  const bool in_range = value >= least && value <= most;
  if (error != std::errc() || end != text.data() + text.size() || !in_range) {
    throw BadRequest(fmt::format("{}: expected a {}number from {} to {}, found '{}'", name,
                                 std::is_integral_v<Number> ? "whole " : "", least, most, text.substr(0, 40)));
  }
  return value;
}

std::string parse_text(std::string_view name, const std::string& text, std::size_t most) {
  if (text.size() > most) {
    throw BadRequest(fmt::format("{}: expected at most {} bytes, found {}", name, most, text.size()));
  }
  for (const char c : text) {
    if (static_cast<unsigned char>(c) < ' ') throw BadRequest(fmt::format("{}: expected text in one line", name));
  }
  return text;
}

std::string parse_page(const std::string& text) {
  const bool digits = text.find_first_not_of("0123456789abcdef") == std::string::npos;
  if (!digits || text.size() < least_page_digits || text.size() > most_page_digits) {
    throw BadRequest(fmt::format("page: expected {} to {} hexadecimal digits in lower case, found '{}'",
                                 least_page_digits, most_page_digits, text.substr(0, 40)));
  }
  return text;
}

/// Calls `take` with each name and its value, decoded.
void for_each(std::string_view query, const std::function<void(const std::string&, const std::string&)>& take) {
  std::set<std::string> seen;
  GUriParamsIter iterator;
  g_uri_params_iter_init(&iterator, query.data(), static_cast<gssize>(query.size()), "&", G_URI_PARAMS_WWW_FORM);
  for (;;) {
    gchar* raw_name = nullptr;
    gchar* raw_value = nullptr;
    GError* error = nullptr;
    const bool more = g_uri_params_iter_next(&iterator, &raw_name, &raw_value, &error) != FALSE;
    const std::unique_ptr<gchar, decltype(&g_free)> owned_name(raw_name, g_free), owned_value(raw_value, g_free);
    const std::unique_ptr<GError, decltype(&g_error_free)> owned_error(error, g_error_free);
    if (error != nullptr) throw BadRequest(fmt::format("query: {}", error->message));
    if (!more) return;
    const std::string name = raw_name;
    if (!seen.insert(name).second) throw BadRequest(fmt::format("{}: named twice", name.substr(0, 40)));
    take(name, raw_value);
  }
}

}  // namespace

Wish parse_wish(std::string_view query, const Limits& limits, unsigned default_steps, bool drawn) {
  Wish wish;
  wish.steps = default_steps;
  if (drawn) wish.sketch.emplace();
  for_each(query, [&](const std::string& name, const std::string& value) {
    if (name == "prompt") {
      wish.prompt = parse_text(name, value, limits.prompt_bytes);
    } else if (name == "style") {
      wish.style = parse_text(name, value, most_style_bytes);
    } else if (name == "seed") {
      wish.seed = parse_number<std::uint64_t>(name, value, 0, UINT64_MAX);
    } else if (name == "steps") {
      wish.steps = parse_number<unsigned>(name, value, 1, limits.steps);
    } else if (drawn && name == "strength") {
      wish.sketch->strength = parse_number<double>(name, value, 0, 1);
    } else if (drawn && name == "page") {
      wish.sketch->page = parse_page(value);
    } else {
      throw BadRequest(fmt::format("expected prompt, style, seed{} steps{}, found '{}'", drawn ? "," : " or",
                                   drawn ? ", strength or page" : "", name.substr(0, 40)));
    }
  });
  return wish;
}

std::string parse_only(std::string_view query, std::string_view name, std::size_t most) {
  std::string result;
  for_each(query, [&](const std::string& found, const std::string& value) {
    if (found != name) throw BadRequest(fmt::format("expected {}, found '{}'", name, found.substr(0, 40)));
    result = parse_text(name, value, most);
  });
  return result;
}

}  // namespace favicon
