// SPDX-License-Identifier: MIT
#include "engine/model/json_text.h"

#include <cmath>
#include <vector>

#include "engine/error.h"
#include "engine/model/text.h"

namespace dit {
namespace {

using nlohmann::json;

constexpr std::size_t most_depth = 64;
constexpr std::size_t most_values = 2'000'000;

/// Builds the value, as nlohmann's own builder does, and stops at what that one lets pass.
class Builder : public nlohmann::json_sax<json> {
 public:
  explicit Builder(const std::string& what) : what_(what) {}

  bool null() override { return add(json()) != nullptr; }
  bool boolean(bool value) override { return add(value) != nullptr; }
  bool number_integer(number_integer_t value) override { return add(value) != nullptr; }
  bool number_unsigned(number_unsigned_t value) override { return add(value) != nullptr; }
  bool number_float(number_float_t value, const string_t&) override { return add(value) != nullptr; }
  bool string(string_t& value) override { return add(std::move(value)) != nullptr; }
  bool binary(binary_t&) override { return false; }
  bool start_object(std::size_t) override { return open(json::object()); }
  bool start_array(std::size_t) override { return open(json::array()); }
  bool end_object() override { return close(); }
  bool end_array() override { return close(); }
  bool key(string_t& key) override {
    const auto [place, is_new] = open_.back()->get_ref<json::object_t&>().emplace(std::move(key), json());
    if (!is_new) fail(ErrorKind::wrong_format, "{}: key '{}' is there twice", what_, printable(place->first, 100));
    here_ = &place->second;
    return true;
  }
  bool parse_error(std::size_t, const std::string&, const nlohmann::detail::exception& error) override {
    fail(ErrorKind::wrong_format, "{}: is not JSON: {}", what_, printable(error.what(), 300));
  }

  Json take() { return std::move(root_); }

 private:
  /// The value's place: what the last key names, else the end of the list, else the root.
  json* add(json value) {
    expect(++count_ <= most_values, ErrorKind::wrong_format, "{}: expected at most {} JSON values", what_, most_values);
    json* place = &*root_;
    if (!open_.empty() && open_.back()->is_array()) {
      place = &open_.back()->get_ref<json::array_t&>().emplace_back();
    } else if (!open_.empty()) {
      place = here_;
    }
    *place = std::move(value);
    return place;
  }
  bool open(json value) {
    expect(open_.size() < most_depth, ErrorKind::wrong_format, "{}: JSON nested over {} deep", what_, most_depth);
    open_.push_back(add(std::move(value)));
    return true;
  }
  bool close() {
    open_.pop_back();
    return true;
  }

  const std::string& what_;
  Json root_;
  std::vector<json*> open_;  // each within the one before it; a list grows only while its last value is whole
  json* here_ = nullptr;
  std::size_t count_ = 0;
};

}  // namespace

void Json::dismantle(json& value) noexcept {
  if (auto* list = value.get_ptr<json::array_t*>()) {
    for (json& one : *list) dismantle(one);
    list->clear();
  } else if (auto* object = value.get_ptr<json::object_t*>()) {
    for (auto& [key, one] : *object) dismantle(one);
    object->clear();
  }
}

std::string json_text(const json& value, int indent) {
  return value.dump(indent, ' ', false, json::error_handler_t::replace);
}

bool is_utf8(std::string_view text) { return encode_utf8(decode_utf8(text)) == text; }

Json parse_json(std::string_view text, const std::string& what) {
  Builder builder(what);
  json::sax_parse(text, &builder);
  return builder.take();
}

std::string text_of(const json& value) {
  constexpr std::size_t shown = 80;
  // Lists and objects may be as large as the file.
  if (value.is_array()) return fmt::format("a list of {}", value.size());
  if (value.is_object()) return fmt::format("an object of {}", value.size());
  return printable(json_text(value), shown);
}

std::uint64_t whole_of(const json& value, std::uint64_t low, std::uint64_t high, const std::string& what) {
  std::uint64_t number = 0;
  bool whole = true;
  if (value.is_number_unsigned()) {
    number = value.get<std::uint64_t>();
  } else if (value.is_number_integer()) {
    whole = value.get<std::int64_t>() >= 0;
    number = whole ? static_cast<std::uint64_t>(value.get<std::int64_t>()) : 0;
  } else {
    // "24.0" is how some programs write 24. Up to 2^53 every whole number is one in f64 too.
    const double real = value.is_number_float() ? value.get<double>() : -1;
    whole = real >= 0 && real <= 0x1p53 && real == std::floor(real);
    number = whole ? static_cast<std::uint64_t>(real) : 0;
  }
  if (whole && number >= low && number <= high) return number;
  fail(ErrorKind::wrong_format, "{}: expected a whole number from {} to {}, found {}", what, low, high, text_of(value));
}

double real_of(const json& value, double low, double high, const std::string& what) {
  const double number = value.is_number() ? value.get<double>() : NAN;
  if (number >= low && number <= high) return number;
  fail(ErrorKind::wrong_format, "{}: expected a number from {} to {}, found {}", what, low, high, text_of(value));
}

}  // namespace dit
