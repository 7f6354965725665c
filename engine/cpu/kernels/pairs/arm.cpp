// SPDX-License-Identifier: MIT
// Products of pairs by Arm's BF16. It has no instruction that multiplies pairs of 16-bit integers faster than f32.
#if defined(__aarch64__) && defined(__linux__)
#include <arm_neon.h>
#include <sys/auxv.h>

#include <algorithm>
#include <cstring>

#include "engine/cpu/kernels/pairs/pairs.h"

#ifndef HWCAP2_BF16
#define HWCAP2_BF16 (1 << 14)  // Linux 5.6
#endif
#define DIT_BF16 __attribute__((target("arch=armv8.2-a+bf16")))

namespace dit::cpu {
namespace {

// Registers: 16 sums, 4 columns, 4 rows of 32.
constexpr std::size_t tile_rows = 4, tile_columns = 16;

inline const bfloat16_t* values(const std::uint16_t* bits) { return reinterpret_cast<const bfloat16_t*>(bits); }

/// One pair of the depth, that of the four that a register has, for 16 columns.
template <int Pair, std::size_t Rows>
[[gnu::always_inline]] DIT_BF16 inline void multiply_pair(const std::uint16_t* panel, const bfloat16x8_t (&lhs)[Rows],
                                                          float32x4_t (&sum)[Rows][4]) {
#pragma GCC unroll 4
  for (std::size_t v = 0; v < 4; ++v) {
    const bfloat16x8_t columns = vld1q_bf16(values(panel + Pair * 2 * panel_columns + 8 * v));
#pragma GCC unroll 4
    for (std::size_t r = 0; r < Rows; ++r) sum[r][v] = vbfdotq_laneq_f32(sum[r][v], columns, lhs[r], Pair);
  }
}

template <std::size_t Rows>
DIT_BF16 void bf16_tile(const std::uint16_t* a, std::size_t depth, const std::uint16_t* panel, float* sums) {
  float32x4_t sum[Rows][4] = {};
  for (std::size_t k = 0; k < depth; k += 8, panel += 8 * panel_columns) {
    bfloat16x8_t lhs[Rows];
    for (std::size_t r = 0; r < Rows; ++r) lhs[r] = vld1q_bf16(values(a + r * depth + k));
    multiply_pair<0, Rows>(panel, lhs, sum);
    multiply_pair<1, Rows>(panel, lhs, sum);
    multiply_pair<2, Rows>(panel, lhs, sum);
    multiply_pair<3, Rows>(panel, lhs, sum);
  }
  for (std::size_t r = 0; r < Rows; ++r)
    for (std::size_t v = 0; v < 4; ++v) vst1q_f32(sums + r * panel_columns + 4 * v, sum[r][v]);
}

/// A convolution's `Rows` outputs of 16 pixels.
template <std::size_t Rows>
DIT_BF16 void tap_tile(const TapProduct& p, std::size_t row, std::size_t pixel) {
  float32x4_t sum[Rows][4] = {};
  const std::uint32_t* pixels = p.pixels + pixel;
  const std::uint16_t* a = p.weights + row * p.depth;
  for (const std::uint16_t* end = a + p.depth; a != end;) {
    for (std::size_t tap = 0; tap < 9; pixels += p.steps[tap++], a += 2) {
      bfloat16x8_t columns[4];
      for (std::size_t v = 0; v < 4; ++v) columns[v] = vreinterpretq_bf16_u32(vld1q_u32(pixels + 4 * v));
      for (std::size_t r = 0; r < Rows; ++r) {
        std::uint32_t pair;
        std::memcpy(&pair, a + r * p.depth, sizeof(pair));
        const bfloat16x8_t lhs = vreinterpretq_bf16_u32(vdupq_n_u32(pair));
        for (std::size_t v = 0; v < 4; ++v) sum[r][v] = vbfdotq_f32(sum[r][v], columns[v], lhs);
      }
    }
  }
  for (std::size_t r = 0; r < Rows; ++r)
    for (std::size_t v = 0; v < 4; ++v) vst1q_f32(p.sums + (row + r) * p.count + pixel + 4 * v, sum[r][v]);
}

DIT_BF16 void bf16_group(const float* x, std::uint16_t* out) {
  for (std::size_t i = 0; i < pair_group; i += 8) {
    const bfloat16x8_t low = vcvtq_low_bf16_f32(vld1q_f32(x + i));
    vst1q_bf16(reinterpret_cast<bfloat16_t*>(out + i), vcvtq_high_bf16_f32(low, vld1q_f32(x + i + 4)));
  }
}

}  // namespace

bool bf16_usable() noexcept { return (getauxval(AT_HWCAP2) & HWCAP2_BF16) != 0; }

void bf16_rows(const float* x, std::size_t rows, std::size_t columns, std::uint16_t* out) noexcept {
  for (std::size_t r = 0; r < rows; ++r, x += columns) {
    for (std::size_t start = 0; start < columns; start += pair_group, out += pair_group) {
      const std::size_t count = std::min(pair_group, columns - start);
      float last[pair_group] = {};
      if (count < pair_group) std::memcpy(last, x + start, count * sizeof(float));
      bf16_group(count < pair_group ? last : x + start, out);
    }
  }
}

DIT_BF16 void join_bf16(const float* low, const float* high, std::size_t count, std::uint32_t* out) noexcept {
  for (std::size_t i = 0; i < count; i += 4) {
    const bfloat16x8_t l = vcvtq_low_bf16_f32(vld1q_f32(low + i)), h = vcvtq_low_bf16_f32(vld1q_f32(high + i));
    vst1q_u32(out + i, vreinterpretq_u32_u16(vzip1q_u16(vreinterpretq_u16_bf16(l), vreinterpretq_u16_bf16(h))));
  }
}

void multiply_taps(const TapProduct& p) noexcept {
  constexpr decltype(&tap_tile<1>) tiles[] = {tap_tile<1>, tap_tile<2>, tap_tile<3>, tap_tile<4>};
  for (std::size_t pixel = 0; pixel < p.count; pixel += tile_columns)
    for (std::size_t row = 0; row < p.rows; row += tile_rows)
      tiles[std::min(p.rows - row, tile_rows) - 1](p, row, pixel);
}

void multiply_pairs(const PairProduct& p) noexcept {
  constexpr decltype(&bf16_tile<1>) tiles[] = {bf16_tile<1>, bf16_tile<2>, bf16_tile<3>, bf16_tile<4>};
  const auto* panel = reinterpret_cast<const std::uint16_t*>(p.panel);
  for (std::size_t row = 0; row < p.rows; row += tile_rows)
    for (std::size_t column = 0; column < p.columns; column += tile_columns)
      tiles[std::min(p.rows - row, tile_rows) - 1](p.a + row * p.depth, p.depth, panel + 2 * column,
                                                   p.sums + row * panel_columns + column);
}

}  // namespace dit::cpu
#endif
