// SPDX-License-Identifier: MIT
// Reads forward through the bytes of a file; each step is checked against what is left.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>

#include "engine/error.h"

namespace dit {

/// errors  every method throws Error{wrong_format}: file, thing, byte, expected, found
class Cursor {
 public:
  /// `file` stands in error texts and must outlive the cursor.
  Cursor(std::span<const std::byte> bytes, const std::string& file) : bytes_(bytes), file_(file) {}

  std::uint64_t position() const { return at_; }
  std::uint64_t remaining() const { return bytes_.size() - at_; }

  std::span<const std::byte> take(std::uint64_t count, const char* what) {
    expect(count <= remaining(), ErrorKind::wrong_format, "weights '{}': {} at byte {}: expected {} bytes, found {}",
           file_, what, at_, count, remaining());
    const auto taken = bytes_.subspan(at_, count);
    at_ += count;
    return taken;
  }
  template <typename T>
  T number(const char* what) {
    T value;
    std::memcpy(&value, take(sizeof(T), what).data(), sizeof(T));
    return value;
  }
  /// Characters after their count, which is a `Size`.
  template <typename Size = std::uint64_t>
  std::string text(const char* what) {
    const auto chars = take(number<Size>(what), what);
    return {reinterpret_cast<const char*>(chars.data()), chars.size()};
  }
  /// A count of things that take at least `size` bytes each.
  template <typename Size = std::uint64_t>
  Size count(std::uint64_t size, const char* what) {
    const auto value = number<Size>(what);
    expect(value <= remaining() / size, ErrorKind::wrong_format,
           "weights '{}': {}: {} of at least {} bytes, found {} bytes", file_, what, value, size, remaining());
    return value;
  }

 private:
  std::span<const std::byte> bytes_;
  const std::string& file_;
  std::uint64_t at_ = 0;
};

}  // namespace dit
