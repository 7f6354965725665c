// SPDX-License-Identifier: MIT
// How `dit` prints: texts among the arguments, which may be names out of files, come out as printable() makes them, and
// a stream that is closed or full is no reason to end.
#pragma once

#include <fmt/core.h>

#include <cstdio>
#include <string>
#include <string_view>
#include <type_traits>

#include "engine/printable.h"

namespace dit::cli {

/// A text made printable; anything else as it is.
template <typename T>
decltype(auto) shown(const T& value) {
  constexpr std::size_t most = 4000;
  if constexpr (std::is_convertible_v<const T&, std::string_view>) {
    return printable(value, most);
  } else {
    return (value);
  }
}

/// Keeps no promise that it is written: a failure stays in ferror().
void put(std::FILE* stream, std::string_view text) noexcept;

template <typename... Args>
void put_formatted(std::FILE* stream, fmt::string_view text, const Args&... args) {
  put(stream, fmt::vformat(text, fmt::make_format_args(args...)));
}

template <typename... Args>
void print(std::FILE* stream, fmt::format_string<const Args&...> text, const Args&... args) {
  put_formatted(stream, text, shown(args)...);
}
/// To standard output.
template <typename... Args>
void say(fmt::format_string<const Args&...> text, const Args&... args) {
  put_formatted(stdout, text, shown(args)...);
}
/// To standard error.
template <typename... Args>
void complain(fmt::format_string<const Args&...> text, const Args&... args) {
  put_formatted(stderr, text, shown(args)...);
}
/// To standard output: a text of several lines, each made printable.
void say_lines(std::string_view text);

}  // namespace dit::cli
