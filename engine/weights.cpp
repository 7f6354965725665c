// SPDX-License-Identifier: MIT
#include "engine/weights.h"

#include <bit>
#include <cmath>
#include <cstring>

#include "engine/error.h"

namespace dit {

const char* name_of(DType dtype) noexcept { return dtype == DType::f32 ? "f32" : "f16"; }

std::size_t size_of(DType dtype) noexcept { return dtype == DType::f32 ? 4 : 2; }

std::string to_string(const Shape& shape) {
  std::string text = "[";
  for (std::size_t i = 0; i < shape.size(); ++i) {
    if (i > 0) text += ',';
    text += std::to_string(shape[i]);
  }
  text += ']';
  return text;
}

std::uint64_t element_count(const Shape& shape) noexcept {
  std::uint64_t count = 1;
  for (const std::uint32_t size : shape) count *= size;
  return count;
}

float half_to_float(std::uint16_t half) noexcept {
  const std::uint32_t sign = (half & 0x8000u) << 16;
  const std::uint32_t exponent = (half >> 10) & 0x1fu;
  const std::uint32_t mantissa = half & 0x3ffu;
  if (exponent == 0) {  // zero and subnormals: mantissa · 2⁻²⁴ is exact in f32
    const float value = std::ldexp(static_cast<float>(mantissa), -24);
    return sign ? -value : value;
  }
  const std::uint32_t wide = exponent == 31 ? 255 : exponent + (127 - 15);
  return std::bit_cast<float>(sign | wide << 23 | mantissa << 13);
}

void read_f32(const WeightView& tensor, std::uint64_t first, std::span<float> out) {
  const std::uint64_t count = element_count(tensor.shape);
  expect(first <= count && out.size() <= count - first, ErrorKind::wrong_format,
         "tensor '{}': elements {} to {} asked for, it has {}", tensor.name, first, first + out.size(), count);
  const std::byte* source = tensor.bytes.data() + first * size_of(tensor.dtype);
  if (tensor.dtype == DType::f32) {
    if (!out.empty()) std::memcpy(out.data(), source, out.size_bytes());
    return;
  }
  for (std::size_t i = 0; i < out.size(); ++i) {
    std::uint16_t half;
    std::memcpy(&half, source + 2 * i, 2);
    out[i] = half_to_float(half);
  }
}

std::vector<float> read_f32(const WeightView& tensor) {
  std::vector<float> values(element_count(tensor.shape));
  read_f32(tensor, 0, values);
  return values;
}

}  // namespace dit
