// SPDX-License-Identifier: MIT
#include "engine/model/quantised.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <utility>

#include "engine/error.h"

namespace dit {
namespace {

constexpr std::size_t half_group = group_size / 2;

using Integers = std::span<std::int8_t, group_size>;

bool has_four_bits(DType dtype) { return dtype == DType::q4_0 || dtype == DType::int4_g32; }
bool keeps_scales_apart(DType dtype) { return dtype == DType::int8_g32 || dtype == DType::int4_g32; }

/// Bytes of the integers of one group.
std::size_t integer_bytes(DType dtype) { return has_four_bits(dtype) ? half_group : group_size; }

float read_scale(const std::byte* at) {
  std::uint16_t half;
  std::memcpy(&half, at, 2);
  return half_to_float(half);
}

void unpack(DType dtype, const std::byte* from, Integers to) {
  for (std::size_t i = 0; i < half_group; ++i) {
    const auto byte = std::to_integer<int>(from[i]);
    if (dtype == DType::q4_0) {
      to[i] = static_cast<std::int8_t>((byte & 15) - 8);
      to[i + half_group] = static_cast<std::int8_t>((byte >> 4) - 8);
    } else if (dtype == DType::int4_g32) {  // flipping the sign bit makes two's complement an offset of 8
      to[2 * i] = static_cast<std::int8_t>(((byte & 15) ^ 8) - 8);
      to[2 * i + 1] = static_cast<std::int8_t>(((byte >> 4) ^ 8) - 8);
    }
  }
  if (!has_four_bits(dtype)) std::memcpy(to.data(), from, group_size);
}

void pack(DType dtype, std::span<const std::int8_t, group_size> from, std::byte* to) {
  for (std::size_t i = 0; i < half_group; ++i) {
    const auto nibbles = [](int low, int high) { return static_cast<std::byte>((low & 15) | (high & 15) << 4); };
    if (dtype == DType::q4_0) to[i] = nibbles(from[i] + 8, from[i + half_group] + 8);
    if (dtype == DType::int4_g32) to[i] = nibbles(from[2 * i], from[2 * i + 1]);
  }
  if (!has_four_bits(dtype)) std::memcpy(to, from.data(), group_size);
}

/// Appends one group in the storage of `dtype`.
void append(DType dtype, std::uint16_t scale, std::span<const std::int8_t, group_size> integers, Quantised& out) {
  std::vector<std::byte>& scales = keeps_scales_apart(dtype) ? out.scales : out.bytes;
  const auto* half = reinterpret_cast<const std::byte*>(&scale);
  scales.insert(scales.end(), half, half + 2);
  const std::size_t at = out.bytes.size();
  out.bytes.resize(at + integer_bytes(dtype));
  pack(dtype, integers, out.bytes.data() + at);
}

/// The scale of a group, before it is rounded to f16.
float scale_of(DType dtype, std::span<const float> values) {
  float extreme = 0;
  for (const float v : values) {
    expect(std::isfinite(v), ErrorKind::wrong_format, "quantising to {}: found a value that is not finite",
           name_of(dtype));
    if (std::fabs(v) > std::fabs(extreme)) extreme = v;
  }
  if (dtype == DType::q4_0) return extreme / -8;
  return std::fabs(extreme) / (dtype == DType::int4_g32 ? 7.0f : 127.0f);
}

}  // namespace

void read_groups(const WeightView& tensor, std::uint64_t first, std::span<std::int8_t> integers,
                 std::span<float> scales) {
  const std::uint64_t groups = element_count(tensor.shape) / group_size;
  expect(is_quantised(tensor.dtype), ErrorKind::wrong_format, "tensor '{}': expected a quantised type, found {}",
         tensor.name, name_of(tensor.dtype));
  expect(first <= groups && scales.size() <= groups - first && integers.size() == scales.size() * group_size,
         ErrorKind::wrong_format, "tensor '{}': groups {} to {} asked for, it has {}", tensor.name, first,
         first + scales.size(), groups);
  const bool apart = keeps_scales_apart(tensor.dtype);
  const std::size_t stride = apart ? integer_bytes(tensor.dtype) : size_of(tensor.dtype);
  const std::byte *bytes = tensor.bytes.data(), *their_scales = tensor.scales.data();
  for (std::size_t i = 0; i < scales.size(); ++i) {
    const std::byte* block = bytes + (first + i) * stride;
    scales[i] = read_scale(apart ? their_scales + 2 * (first + i) : block);
    unpack(tensor.dtype, apart ? block : block + 2, Integers(integers.data() + i * group_size, group_size));
  }
}

Quantised quantise(DType dtype, std::span<const float> values) {
  expect(is_quantised(dtype), ErrorKind::settings, "quantising: expected a quantised type, found {}", name_of(dtype));
  expect(values.size() % group_size == 0, ErrorKind::settings,
         "quantising to {}: expected a multiple of {} values, found {}", name_of(dtype), group_size, values.size());
  const int low = has_four_bits(dtype) ? (dtype == DType::q4_0 ? -8 : -7) : -127;
  const int high = has_four_bits(dtype) ? 7 : 127;
  Quantised out;
  std::array<std::int8_t, group_size> integers;
  for (std::size_t at = 0; at < values.size(); at += group_size) {
    const std::uint16_t half = float_to_half(scale_of(dtype, values.subspan(at, group_size)));
    const float scale = half_to_float(half);
    expect(std::isfinite(scale), ErrorKind::wrong_format, "quantising to {}: found values too large for an f16 scale",
           name_of(dtype));
    // Rounded against the scale as it is stored, so that its own rounding costs no further error.
    for (std::size_t i = 0; i < group_size; ++i) {
      const float q = scale == 0 ? 0.0f : std::nearbyint(values[at + i] / scale);
      integers[i] = static_cast<std::int8_t>(std::clamp(q, static_cast<float>(low), static_cast<float>(high)));
    }
    append(dtype, half, integers, out);
  }
  return out;
}

Quantised repack(const WeightView& lazy, DType dtype) {
  const WeightView tensor = lazy.read();
  expect(is_quantised(tensor.dtype) && is_quantised(dtype) && has_four_bits(tensor.dtype) == has_four_bits(dtype),
         ErrorKind::settings, "tensor '{}': {} cannot be stored as {} without loss", tensor.name, name_of(tensor.dtype),
         name_of(dtype));
  Quantised out;
  std::array<std::int8_t, group_size> integers;
  float scale = 0;
  for (std::uint64_t group = 0; group < element_count(tensor.shape) / group_size; ++group) {
    read_groups(tensor, group, integers, std::span(&scale, 1));
    append(dtype, float_to_half(scale), integers, out);
  }
  return out;
}

std::shared_ptr<const Weights> dequantised(std::shared_ptr<const Weights> weights) {
  struct Owner {
    std::shared_ptr<const Weights> source;
    std::vector<std::vector<float>> values;
  };
  auto result = std::make_shared<Weights>(*weights);
  auto owner = std::make_shared<Owner>();
  for (auto& [name, view] : result->tensors) {
    if (!is_quantised(view.dtype)) continue;
    const std::vector<float>& values = owner->values.emplace_back(read_f32(view));
    view = {name, DType::f32, view.shape, std::as_bytes(std::span(values)), {}};
  }
  owner->source = std::move(weights);
  result->owner = std::move(owner);
  return result;
}

}  // namespace dit
