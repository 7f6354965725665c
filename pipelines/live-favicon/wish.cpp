// SPDX-License-Identifier: MIT
#include "pipelines/live-favicon/wish.h"

#include <fmt/core.h>
#include <glib.h>

#include <charconv>
#include <memory>
#include <set>
#include <string>

namespace favicon {
namespace {

constexpr std::size_t most_style_bytes = 64;

template <typename Number>
Number parse_number(std::string_view name, const std::string& text, Number least, Number most) {
  Number value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || value < least || value > most) {
    throw BadRequest(
        fmt::format("{}: expected a whole number from {} to {}, found '{}'", name, least, most, text.substr(0, 40)));
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

}  // namespace

Wish parse_wish(std::string_view query, const Limits& limits, unsigned default_steps) {
  Wish wish;
  wish.steps = default_steps;
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
    if (!more) return wish;
    const std::string name = raw_name;
    const std::string value = raw_value;
    if (!seen.insert(name).second) throw BadRequest(fmt::format("{}: named twice", name.substr(0, 40)));
    if (name == "prompt") {
      wish.prompt = parse_text(name, value, limits.prompt_bytes);
    } else if (name == "style") {
      wish.style = parse_text(name, value, most_style_bytes);
    } else if (name == "seed") {
      wish.seed = parse_number<std::uint64_t>(name, value, 0, UINT64_MAX);
    } else if (name == "steps") {
      wish.steps = parse_number<unsigned>(name, value, 1, limits.steps);
    } else {
      throw BadRequest(fmt::format("expected prompt, style, seed or steps, found '{}'", name.substr(0, 40)));
    }
  }
}

}  // namespace favicon
