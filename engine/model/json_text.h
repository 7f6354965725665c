// SPDX-License-Identifier: MIT
// JSON that others wrote: nlohmann's reader with limits, and numbers out of it that are what they say.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <utility>

namespace dit {

/// A value that goes without asking for memory. nlohmann's own destructor makes a list of what is in it, and where
/// memory is short that ends the process.
class Json {
 public:
  Json() = default;
  explicit Json(nlohmann::json value) noexcept : value_(std::move(value)) {}
  Json(Json&& other) noexcept : value_(std::move(other.value_)) {}
  Json& operator=(Json&& other) noexcept {
    std::swap(value_, other.value_);
    return *this;
  }
  ~Json() { dismantle(value_); }

  const nlohmann::json& operator*() const noexcept { return value_; }
  const nlohmann::json* operator->() const noexcept { return &value_; }
  nlohmann::json& operator*() noexcept { return value_; }

 private:
  /// No deeper than parse_json() lets it be.
  static void dismantle(nlohmann::json& value) noexcept;

  nlohmann::json value_;
};

/// A whole text. Nested over 64 deep, with more than two million values or a key twice in an object it is refused, so
/// that neither a destructor nor whoever walks over it runs out of stack, and a text costs no more than its length.
/// errors  wrong_format: `what`, and why
Json parse_json(std::string_view text, const std::string& what);

/// The text of a value. Bytes that are not UTF-8, as names of files may have, become U+FFFD: JSON cannot hold them, and
/// nlohmann's own dump() throws. indent  blanks a level; -1: all on one line
std::string json_text(const nlohmann::json& value, int indent = -1);
/// Whether JSON can hold it as it is. Where another text would be another thing, such as a tensor's name.
bool is_utf8(std::string_view text);

/// A value for a message, shortened.
std::string text_of(const nlohmann::json& value);

/// A number without a fraction within [low, high]. errors: wrong_format: `what`, what was expected and found
std::uint64_t whole_of(const nlohmann::json& value, std::uint64_t low, std::uint64_t high, const std::string& what);
/// A number within [low, high]. errors: as above
double real_of(const nlohmann::json& value, double low, double high, const std::string& what);

}  // namespace dit
