// SPDX-License-Identifier: MIT
// Named tensors as a weight file holds them: bytes, borrowed from the mapped file.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace dit {

enum class DType { f32, f16 };

/// "f32" or "f16".
const char* name_of(DType dtype) noexcept;
/// Bytes of one element.
std::size_t size_of(DType dtype) noexcept;

using Shape = std::vector<std::uint32_t>;

/// "[64,384]"; the empty shape is a scalar, "[]".
std::string to_string(const Shape& shape);
/// Product of the dimensions in 64 bits; 1 for a scalar.
std::uint64_t element_count(const Shape& shape) noexcept;

/// One tensor of a weight file. Borrows `bytes` from the Weights it came from. Row-major, little endian.
struct WeightView {
  std::string name;
  DType dtype = DType::f32;
  Shape shape;
  std::span<const std::byte> bytes;
};

/// Every tensor and metadata entry of one file. A format reader in formats/ makes it; `owner` keeps the mapping alive.
struct Weights {
  std::map<std::string, WeightView> tensors;
  std::map<std::string, std::string> metadata;
  std::shared_ptr<const void> owner;
  std::uint64_t file_bytes = 0;
};

/// IEEE half to single, exact, subnormals included.
float half_to_float(std::uint16_t half) noexcept;

/// The tensor's elements [first, first + out.size()) as f32.
/// errors  throws Error{wrong_format} if the range leaves the tensor
void read_f32(const WeightView& tensor, std::uint64_t first, std::span<float> out);

/// The whole tensor as f32.
std::vector<float> read_f32(const WeightView& tensor);

}  // namespace dit
