// SPDX-License-Identifier: MIT
// Reads forward through the bytes of a file; each step is checked against what is left.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>

#include "engine/error.h"
#include "engine/files/file_bytes.h"

namespace dit {

/// errors  every method throws Error{wrong_format}: file, thing, byte, expected, found
class Cursor {
 public:
  /// `file` stands in error texts and must outlive the cursor.
  Cursor(const Bytes& bytes, const std::string& file) : bytes_(bytes), file_(file) {}

  std::uint64_t position() const { return at_; }
  std::uint64_t remaining() const { return bytes_.size() - at_; }

  /// Valid until the next step.
  std::span<const std::byte> take(std::uint64_t count, const char* what) {
    expect_there(count, what);
    if (at_ + count > ready_) fetch(count);
    const auto taken = std::span(memory_.data() + (at_ - begin_), static_cast<std::size_t>(count));
    at_ += count;
    return taken;
  }
  /// What need not be read now.
  Bytes skip(std::uint64_t count, const char* what) {
    expect_there(count, what);
    at_ += count;
    return bytes_.subspan(at_ - count, count);
  }
  template <typename T>
  T number(const char* what) {
    T value;
    std::memcpy(&value, take(sizeof(T), what).data(), sizeof(T));
    return value;
  }
  /// Characters after their count, which is a `Size` of at most `most`.
  template <typename Size = std::uint64_t>
  std::string text(std::uint64_t most, const char* what) {
    const auto size = number<Size>(what);
    expect(size <= most, ErrorKind::wrong_format, "weights '{}': {} at byte {}: expected at most {} bytes, found {}",
           file_, what, at_, most, size);
    const auto chars = take(size, what);
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
  void expect_there(std::uint64_t count, const char* what) const {
    expect(count <= remaining(), ErrorKind::wrong_format, "weights '{}': {} at byte {}: expected {} bytes, found {}",
           file_, what, at_, count, remaining());
  }
  /// A piece at a time, and what lies behind is given back: a header may be as long as the file, which may be longer
  /// than memory.
  void fetch(std::uint64_t count) {
    constexpr std::uint64_t piece = 64u << 10;
    bytes_.subspan(begin_, ready_ - begin_).release();
    begin_ = at_;
    ready_ = at_ + std::min(remaining(), std::max(count, piece));
    memory_ = bytes_.subspan(begin_, ready_ - begin_).read();
  }

  Bytes bytes_;
  const std::string& file_;
  std::uint64_t at_ = 0;
  std::uint64_t begin_ = 0, ready_ = 0;  // of what is in memory
  std::span<const std::byte> memory_;
};

}  // namespace dit
