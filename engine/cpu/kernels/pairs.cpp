// SPDX-License-Identifier: MIT
// What is the same on every processor: how panels of pairs are packed. pairs_x86.cpp and pairs_arm.cpp multiply them.
#include "engine/cpu/kernels/pairs.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstdlib>
#include <cstring>

namespace dit::cpu {
namespace {

/// To nearest, ties to even; the value is finite, and so may be what becomes infinity.
std::uint16_t to_bf16(float value) {
  const auto bits = std::bit_cast<std::uint32_t>(value);
  return static_cast<std::uint16_t>((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

/// Scale of a column for which no group's sum of products with ±8191 leaves 31 bits: Σ|q| is at most 262 032 with what
/// rounding adds, and 262 032 · 8191 < 2³¹.
float int16_scale(std::span<const float> column) {
  constexpr double most_sum = 262000, most = 32767;
  double scale = 0;
  for (std::size_t start = 0; start < column.size(); start += pair_group) {
    double sum = 0;
    for (const float value : column.subspan(start, std::min(pair_group, column.size() - start))) {
      sum += std::fabs(value);
      scale = std::max(scale, std::fabs(double{value}) / most);
    }
    scale = std::max(scale, sum / most_sum);
  }
  return static_cast<float>(scale);
}

}  // namespace

bool pack_pairs(DType dtype, std::span<const float> values, std::size_t count, std::size_t columns,
                std::byte* out) noexcept {
  std::memset(out, 0, PackedMatrix::piece_bytes(dtype, columns));
  auto* pairs = reinterpret_cast<std::uint16_t*>(out + (dtype == DType::i16 ? panel_columns * sizeof(float) : 0));
  bool finite = true;
  for (std::size_t i = 0; i < count; ++i) {
    const std::span<const float> column = values.subspan(i * columns, columns);
    const bool good = std::ranges::all_of(column, [](float value) { return std::isfinite(value); });
    finite &= good;
    const float scale = dtype == DType::i16 && good ? int16_scale(column) : 0.f;
    if (dtype == DType::i16) std::memcpy(out + i * sizeof(float), &scale, sizeof(float));
    for (std::size_t k = 0; k < columns && good; ++k) {
      std::uint16_t& pair = pairs[(k / 2 * panel_columns + i) * 2 + k % 2];
      if (dtype == DType::bf16) {
        pair = to_bf16(column[k]);
        finite &= (pair & 0x7f80) != 0x7f80;
      } else if (scale > 0) {
        pair = static_cast<std::uint16_t>(static_cast<std::int16_t>(std::lrint(column[k] / scale)));
      }
    }
  }
  return finite;
}

#if !defined(__x86_64__) && !(defined(__aarch64__) && defined(__linux__))
bool bf16_usable() noexcept { return false; }
const char* bf16_instructions() noexcept { return "none"; }
void bf16_rows(const float*, std::size_t, std::size_t, std::uint16_t*) noexcept { std::abort(); }
void multiply_pairs(const PairProduct&) noexcept { std::abort(); }  // never called where nothing is usable
#endif
#ifndef __x86_64__
bool int16_usable() noexcept { return false; }
void int16_rows(const float*, std::size_t, std::size_t, std::uint16_t*, float*) noexcept { std::abort(); }
#endif

}  // namespace dit::cpu
