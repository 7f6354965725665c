// SPDX-License-Identifier: MIT
// Errors of the engine. Text says thing, expected, found.
#pragma once

#include <fmt/core.h>

#include <atomic>
#include <exception>
#include <stdexcept>
#include <string>
#include <utility>

#include "engine/printable.h"

namespace dit {

/// What went wrong, in terms a caller can act on (the plugin maps each to one GStreamer error domain and code).
enum class ErrorKind {
  not_found,      ///< a file is not there
  unreadable,     ///< a file is there but cannot be opened or read
  wrong_format,   ///< a file is not what it should be: magic, header, tensor, configuration
  unsupported,    ///< a valid request that this build or device cannot serve
  settings,       ///< a value given by the user: prompt, style, steps, device name
  device,         ///< no driver, no such device, or the device failed
  out_of_memory,  ///< host or device memory
};

/// The one exception type that leaves the engine, besides Cancelled. Its text is one line that may be printed as it is,
/// whatever names from files are in it.
class Error : public std::runtime_error {
 public:
  static constexpr std::size_t most_text = 2000;  ///< bytes
  Error(ErrorKind kind, const std::string& text) : std::runtime_error(printable(text, most_text)), kind_(kind) {}
  ErrorKind kind() const noexcept { return kind_; }

 private:
  ErrorKind kind_;
};

/// Thrown out of a running icon after Session::cancel(); not an error.
class Cancelled : public std::exception {
 public:
  const char* what() const noexcept override { return "cancelled"; }
};

/// For callers who cannot be cancelled.
inline const std::atomic<bool> never_cancelled{false};

template <typename... Args>
[[noreturn]] void fail(ErrorKind kind, fmt::format_string<Args...> text, Args&&... args) {
  throw Error(kind, fmt::format(text, std::forward<Args>(args)...));
}

/// Throws Error{kind} with the formatted text unless `condition` holds.
template <typename... Args>
void expect(bool condition, ErrorKind kind, fmt::format_string<Args...> text, Args&&... args) {
  if (!condition) fail(kind, text, std::forward<Args>(args)...);
}

}  // namespace dit
