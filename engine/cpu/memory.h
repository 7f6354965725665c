// SPDX-License-Identifier: MIT
// Host memory in one piece: aligned, zeroed, on huge pages where the system offers them.
#pragma once

#include <cstddef>
#include <memory>

namespace dit::cpu {

/// What the machine has; a huge number where it does not say.
std::size_t host_memory_bytes() noexcept;

/// One allocation, all of it touched, so that nothing faults later.
class Block {
 public:
  Block() = default;
  /// what    names the user of the memory in the error text
  /// errors  Error{out_of_memory}, also for more than the machine has
  Block(std::size_t size_bytes, const char* what);

  float* f32() const noexcept { return reinterpret_cast<float*>(bytes_.get()); }
  std::byte* bytes() const noexcept { return bytes_.get(); }
  std::size_t size_bytes() const noexcept { return size_bytes_; }

 private:
  struct Free {
    void operator()(std::byte* bytes) const noexcept;
  };
  std::unique_ptr<std::byte, Free> bytes_;
  std::size_t size_bytes_ = 0;
};

/// Rounds up to whole cache lines, in floats.
constexpr std::size_t round_to_line(std::size_t floats) noexcept { return (floats + 15) / 16 * 16; }

}  // namespace dit::cpu
