// SPDX-License-Identifier: MIT
#include "tests/fuzz/json_mutator.h"

#include <cstring>
#include <nlohmann/json.hpp>
#include <random>
#include <utility>
#include <vector>

#include "engine/error.h"
#include "engine/model/json_text.h"

namespace dit::fuzz {
namespace {

using nlohmann::json;

class Mutator {
 public:
  explicit Mutator(std::uint32_t seed) : random_(seed) {}

  std::string file(std::string_view file) {
    const auto [first, size] = choose(texts_of(file));
    if (size == 0) return {};
    std::string text = changed(file.substr(first, size));
    std::string result(file.substr(0, first));
    if (first >= 8) {
      const std::uint64_t length = text.size();
      std::memcpy(result.data() + first - 8, &length, 8);
    }
    return result + text + std::string(file.substr(first + size));
  }

 private:
  using Range = std::pair<std::size_t, std::size_t>;  // first byte, size

  std::size_t below(std::size_t count) { return count == 0 ? 0 : random_() % count; }
  template <typename T>
  T choose(const std::vector<T>& list) {
    return list.empty() ? T{} : list[below(list.size())];
  }

  static std::vector<Range> texts_of(std::string_view file) {
    std::vector<Range> found;
    if (file.starts_with('{')) found.emplace_back(0, file.size());
    for (std::size_t at = file.find('{', 8); at != std::string_view::npos; at = file.find('{', at + 1)) {
      std::uint64_t length = 0;
      std::memcpy(&length, file.data() + at - 8, 8);
      if (length > 1 && length <= file.size() - at) found.emplace_back(at, length);
    }
    return found;
  }

  std::string changed(std::string_view text) {
    json value;
    try {
      value = *parse_json(text, "fuzz");
    } catch (const Error&) {
      return std::string(text);
    }
    const std::size_t changes = 1 + below(3);
    for (std::size_t i = 0; i < changes; ++i) change(some(value));
    std::string result = value.dump(-1, ' ', false, json::error_handler_t::replace);
    // What no tree of values can be: a key twice, an end that is missing, bytes behind it.
    switch (below(12)) {
      case 0:
        if (value.is_object() && !value.empty()) result.insert(1, json(value.begin().key()).dump() + ":0,");
        break;
      case 1:
        result.resize(below(result.size() + 1));
        break;
      case 2:
        result += std::string(below(9), ' ');
        break;
      case 3:
        result.insert(below(result.size()), std::string(1 + below(300), choose<char>({'[', '{', '"', '9', ' '})));
        break;
      default:
        break;
    }
    return result;
  }

  /// Any value in the tree.
  json& some(json& root) {
    json* at = &root;
    while (at->is_structured() && !at->empty() && below(8) != 0) {
      auto next = at->begin();
      std::advance(next, static_cast<std::ptrdiff_t>(below(at->size())));
      at = &*next;
    }
    return *at;
  }

  void change(json& value) {
    if (value.is_string() && below(3) != 0) return change_text(value);
    if (value.is_number() && below(3) != 0) return change_number(value);
    if (value.is_structured() && !value.empty() && below(3) != 0) return change_members(value);
    switch (below(4)) {
      case 0:
        value = choose<json>({nullptr, true, "", json::array(), json::object(), 0, -1, "\x1b[2J\n"});
        break;
      case 1:
        for (std::size_t deep = 1 + below(90); deep > 0; --deep) value = json::array({std::move(value)});
        break;
      case 2:
        value = json{{"a", std::move(value)}};
        break;
      default:
        change_number(value);
    }
  }
  void change_number(json& value) {
    if (value.is_number_integer() && below(2) == 0) {
      value = static_cast<std::int64_t>(static_cast<std::uint64_t>(value.get<std::int64_t>()) + below(17) - 8);
      return;
    }
    value = choose<json>(
        {0,         1,          -1,   8,    255,    65536, 2147483648u, 4294967296u, 4294967304u, 9007199254740993u,
         INT64_MIN, UINT64_MAX, 24.9, -0.0, 1e-320, 1e-30, 0.999,       1.5,         1e30,        1e308,
         -1e9});
  }
  void change_text(json& value) {
    std::string text = value.get<std::string>();
    if (text.starts_with('{') || text.starts_with('[')) {
      value = changed(text);
    } else if (below(2) == 0) {
      value = choose<std::string>({"F32", "F16", "I8", "U8", "F4", "C64", "F8_E4M3", "g32", "flow", "vp-linear",
                                   "epsilon", "v", "rms", "torch", "ddpm", "ditsrc/1", "unbiased"});
    } else {
      text.insert(below(text.size() + 1), choose<std::string>({"\x1b]0;", "\n", "\"", "\\", std::string(200, 'a')}));
      value = text;
    }
  }
  void change_members(json& value) {
    auto one = value.begin(), other = value.begin();
    std::advance(one, static_cast<std::ptrdiff_t>(below(value.size())));
    std::advance(other, static_cast<std::ptrdiff_t>(below(value.size())));
    switch (below(4)) {
      case 0:
        value.erase(one);
        break;
      case 1:
        std::swap(*one, *other);
        break;
      case 2:
        *one = json(*other);
        break;
      default: {
        json copy = *one;
        if (value.is_array()) {
          value.push_back(std::move(copy));
        } else {
          value[one.key() + choose<std::string>({".scales", "x", ".weight", "\t"})] = std::move(copy);
        }
      }
    }
  }

  std::mt19937 random_;
};

}  // namespace

std::string mutate_json(std::string_view file, std::uint32_t seed) { return Mutator(seed).file(file); }

}  // namespace dit::fuzz
