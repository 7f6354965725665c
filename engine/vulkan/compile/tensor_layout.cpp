// SPDX-License-Identifier: MIT
#include "engine/vulkan/compile/tensor_layout.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <utility>

#include "engine/model/weights.h"

namespace dit::vulkan {

std::uint16_t half_from_float(float value) noexcept {
  const std::uint32_t bits = std::bit_cast<std::uint32_t>(value);
  const std::uint32_t sign = bits >> 16 & 0x8000u;
  const float magnitude = std::fabs(value);
  if (std::isnan(value)) return static_cast<std::uint16_t>(sign | 0x7e00u);
  if (magnitude >= 65504.f) return static_cast<std::uint16_t>(sign | 0x7bffu);
  if (magnitude < 0x1p-14f) {
    return static_cast<std::uint16_t>(sign | static_cast<std::uint32_t>(std::nearbyint(magnitude * 0x1p24f)));
  }
  const std::uint32_t rounded = (bits & 0x7fffffffu) + 0xfffu + (bits >> 13 & 1u);
  return static_cast<std::uint16_t>(sign | std::min((rounded >> 13) - (112u << 10), 0x7bffu));
}

namespace {

/// Of tensors of rows, so that a subgroup reads what lies together: the upper eight rows, then the lower; invocation
/// 4·(r % 8) + c % 8 / 2 holds four of each.
std::uint32_t in_halves(std::uint32_t r, std::uint32_t c) {
  return r / 8 * 128 + (r % 8 * 4 + c % 8 / 2) * 4 + c / 8 * 2 + c % 2;
}

/// Of fragments: invocation 4·(r % 8) + c % 8 / 2 holds the value, after those of the rows and columns 8 before it: by
/// row, but left sides by column.
std::uint32_t in_fragment(std::uint32_t r, std::uint32_t c, bool lhs) {
  const std::uint32_t pair = lhs ? c / 8 * 2 + r / 8 : r / 8 * 2 + c / 8;
  return (r % 8 * 4 + c % 8 / 2) * 8 + pair * 2 + c % 2;
}

}  // namespace

std::uint64_t TensorLayout::size_bytes() const {
  if (kind == Kind::plain) return count * sizeof(float);
  if (kind == Kind::pixels) return std::uint64_t{rows} * tokens * columns.columns * 2;
  return std::uint64_t{row_fragments()} * columns.fragments() * 256 * (kind == Kind::fragments && half ? 2 : 4);
}

std::uint64_t TensorLayout::index(std::uint32_t row, std::uint32_t token, std::uint32_t column) const {
  if (kind == Kind::pixels) {
    const std::uint64_t first = (std::uint64_t{row} * tokens + token) * columns.columns;
    return first + column / 16 * 16 + column % 8 / 2 * 4 + column % 16 / 8 * 2 + column % 2;
  }
  const std::uint64_t line = std::uint64_t{row} * fragments_of(tokens) * 16 + token;
  const std::uint32_t at = columns.padded(column);
  if (kind == Kind::rows && order == FragmentOrder::by_row) return line * columns.fragments() * 16 + at;
  const std::uint64_t fragment = (line / 16 * columns.fragments() + at / 16) * 256;
  auto r = static_cast<std::uint32_t>(line % 16), c = at % 16;
  if (at / 16 >= turned_from) std::swap(r, c);
  if (order == FragmentOrder::by_row) return fragment + r * 16 + c;
  return fragment + (kind == Kind::rows ? in_halves(r, c) : in_fragment(r, c, order == FragmentOrder::by_invocation));
}

template <typename Use>
void TensorLayout::each_index(Use&& use) const {
  const bool planar = kind == Kind::pixels;  // channel by channel
  const std::uint32_t outer = planar ? columns.columns : tokens, inner = planar ? tokens : columns.columns;
  for (std::uint32_t row = 0; row < rows; ++row) {
    for (std::uint32_t i = 0; i < outer; ++i) {
      for (std::uint32_t j = 0; j < inner; ++j) use(planar ? index(row, j, i) : index(row, i, j));
    }
  }
}

void TensorLayout::encode(std::span<const float> values, std::span<std::byte> out) const {
  if (kind == Kind::plain) {
    std::memcpy(out.data(), values.data(), values.size_bytes());
    return;
  }
  std::fill(out.begin(), out.end(), std::byte{0});
  const float* value = values.data();
  each_index([&](std::uint64_t at) {
    if (kind != Kind::rows && half) {
      const std::uint16_t bits = half_from_float(*value);
      std::memcpy(&out[at * 2], &bits, 2);
    } else {
      std::memcpy(&out[at * 4], value, 4);
    }
    ++value;
  });
}

void TensorLayout::decode(std::span<const std::byte> in, std::span<float> values) const {
  if (kind == Kind::plain) {
    std::memcpy(values.data(), in.data(), values.size_bytes());
    return;
  }
  float* value = values.data();
  each_index([&](std::uint64_t at) {
    if (kind != Kind::rows && half) {
      std::uint16_t bits = 0;
      std::memcpy(&bits, &in[at * 2], 2);
      *value = half_to_float(bits);
    } else {
      std::memcpy(value, &in[at * 4], 4);
    }
    ++value;
  });
}

}  // namespace dit::vulkan
