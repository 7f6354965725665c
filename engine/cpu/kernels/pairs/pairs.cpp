// SPDX-License-Identifier: MIT
// What is the same on every processor: how panels of pairs are packed. x86.cpp and arm.cpp multiply them.
#include "engine/cpu/kernels/pairs/pairs.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <limits>

namespace dit::cpu {
namespace {

/// To nearest, ties to even; the value is finite, and so may be what becomes infinity.
std::uint16_t to_bf16(float value) {
  const auto bits = std::bit_cast<std::uint32_t>(value);
  return static_cast<std::uint16_t>((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

/// What a group of a column adds up to and its largest, by size; 16 at a time, for the compiler's vectors.
struct Sizes {
  explicit Sizes(std::span<const float> group) {
    std::array<float, 16> sums = {}, most = {};
    std::array<float, pair_group> values = {};
    std::ranges::copy(group, values.begin());
    for (std::size_t i = 0; i < pair_group; i += 16) {
      for (std::size_t j = 0; j < 16; ++j) {
        const float size = std::fabs(values[i + j]);
        sums[j] += size;
        most[j] = std::max(most[j], size);
      }
    }
    for (const float part : sums) sum += part;
    largest = std::ranges::max(most);
  }
  double sum = 0, largest = 0;
};

/// Scale of a column for which no group's sum of products with ±8191 leaves 31 bits: Σ|q| is at most 262 032 with what
/// rounding adds, and 262 032 · 8191 < 2³¹. NaN or infinity where a value is no number.
float int16_scale(std::span<const float> column) {
  constexpr double most_sum = 262000, most = 32767;
  double scale = 0;
  for (std::size_t start = 0; start < column.size(); start += pair_group) {
    const Sizes sizes(column.subspan(start, std::min(pair_group, column.size() - start)));
    if (!std::isfinite(sizes.sum)) return std::numeric_limits<float>::infinity();
    scale = std::max({scale, sizes.sum / most_sum, sizes.largest / most});
  }
  return static_cast<float>(scale);
}

/// Nearest integers of value · inverse, ties to even, below 2²² in size.
void to_integers(std::span<const float> values, float inverse, std::uint16_t* out) {
  constexpr float round = 0x1.8p23f;  // a sum with it has no bits after the point, and the integer in its low ones
  for (std::size_t i = 0; i < values.size(); ++i)
    out[i] = static_cast<std::uint16_t>(std::bit_cast<std::uint32_t>(values[i] * inverse + round));
}

/// False if a number is not finite, or becomes so.
bool to_bf16(std::span<const float> values, std::uint16_t* out) {
  bool finite = true;
  for (std::size_t i = 0; i < values.size(); ++i) {
    out[i] = to_bf16(values[i]);
    finite &= (out[i] & 0x7f80) != 0x7f80 && std::isfinite(values[i]);
  }
  return finite;
}

}  // namespace

bool pack_pairs(DType dtype, std::span<const float> values, std::size_t count, std::size_t columns,
                std::byte* out) noexcept {
  std::memset(out, 0, PackedMatrix::piece_bytes(dtype, columns));
  std::array<float, panel_columns> inverses = {};
  bool finite = true;
  if (dtype == DType::i16) {
    for (std::size_t i = 0; i < count; ++i) {
      const float scale = int16_scale(values.subspan(i * columns, columns));
      finite &= std::isfinite(scale);
      inverses[i] = scale > 1e-30f ? 1.f / scale : 0.f;
      std::memcpy(out + i * sizeof(float), &scale, sizeof(scale));
    }
    out += panel_columns * sizeof(float);
  }
  // A group of all columns before the next, so that what is written stays in the first-level cache.
  for (std::size_t start = 0; start < columns && finite; start += pair_group) {
    const std::size_t depth = std::min(pair_group, columns - start);
    for (std::size_t i = 0; i < count; ++i) {
      const std::span<const float> from = values.subspan(i * columns + start, depth);
      std::array<std::uint16_t, pair_group> to = {};
      if (dtype == DType::i16) {
        to_integers(from, inverses[i], to.data());
      } else {
        finite &= to_bf16(from, to.data());
      }
      for (std::size_t k = 0; k < depth; k += 2)
        std::memcpy(out + ((start + k) / 2 * panel_columns + i) * 4, to.data() + k, 4);
    }
  }
  return finite;
}

bool pack_taps(std::span<const float> values, std::size_t outputs, std::size_t channels, std::uint16_t* out) noexcept {
  std::fill_n(out, outputs * tap_depth(channels), std::uint16_t{0});
  bool finite = true;
  for (std::size_t o = 0; o < outputs; ++o, out += tap_depth(channels)) {
    for (std::size_t c = 0; c < channels; ++c) {
      std::array<std::uint16_t, 9> taps = {};
      finite &= to_bf16(values.subspan((o * channels + c) * 9, 9), taps.data());
      for (std::size_t tap = 0; tap < 9; ++tap) out[(c / 2 * 9 + tap) * 2 + c % 2] = taps[tap];
    }
  }
  return finite;
}

#if !defined(__x86_64__) && !(defined(__aarch64__) && defined(__linux__))
bool bf16_usable() noexcept { return false; }
void bf16_rows(const float*, std::size_t, std::size_t, std::uint16_t*) noexcept { std::abort(); }
void join_bf16(const float*, const float*, std::size_t, std::uint32_t*) noexcept { std::abort(); }
void multiply_taps(const TapProduct&) noexcept { std::abort(); }
void multiply_pairs(const PairProduct&) noexcept { std::abort(); }  // never called where nothing is usable
#endif
#ifndef __x86_64__
bool int16_usable() noexcept { return false; }
bool force_avx_vnni(bool) noexcept { return false; }
void int16_rows(const float*, std::size_t, std::size_t, std::uint16_t*, float*) noexcept { std::abort(); }
#endif

}  // namespace dit::cpu
