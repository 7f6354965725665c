// SPDX-License-Identifier: MIT
// Products whose both sides are pairs of 16 bits, two of the depth in one instruction: twice the rate of f32.
//   bf16   sums in f32; AVX512_BF16, Arm's BF16
//   int16  a scale for 64 of a left side's row and one for a column of the weight; a group's sum is exact. Both sides
//          keep 13 bits and a sign, finer than f16's eleven; AVX-512 VNNI, AVX-VNNI, with the same bits
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "engine/cpu/weight_store.h"

namespace dit::cpu {

/// Whether this processor can run the functions below in bf16, in int16.
bool bf16_usable() noexcept;
bool int16_usable() noexcept;
/// Makes products of int16 use AVX-VNNI although there is AVX-512 VNNI, where the processor has both. For tests,
/// between runs. False if it has not.
bool force_avx_vnni(bool forced) noexcept;

/// x [rows,columns] to a left side [rows,pair_depth(columns)], with zeros at the ends of the rows.
void bf16_rows(const float* x, std::size_t rows, std::size_t columns, std::uint16_t* out) noexcept;
/// The same; value ≈ scale of its 64 · integer, scale = max|value|/8191. scales [rows,pair_depth(columns)/64]
void int16_rows(const float* x, std::size_t rows, std::size_t columns, std::uint16_t* out, float* scales) noexcept;

/// Packs `count` ≤ 48 rows of a weight [count,columns] as a panel of type bf16 or i16. False if a number is not finite.
bool pack_pairs(DType dtype, std::span<const float> values, std::size_t count, std::size_t columns,
                std::byte* out) noexcept;

/// sums [rows,48] = a · panel. An element's bits depend on its row and its column alone.
struct PairProduct {
  DType dtype = DType::bf16;         ///< bf16 or i16
  const std::uint16_t* a = nullptr;  ///< [rows,depth] of bf16_rows or int16_rows
  const float* scales = nullptr;     ///< of i16
  std::size_t rows = 0;
  std::size_t depth = 0;  ///< a multiple of pair_group
  const std::byte* panel = nullptr;
  std::size_t columns = panel_columns;  ///< of the 48, a multiple of 16; sums of the others are left as they are
  bool prefetched = false;              ///< whether what follows the panel in memory is wanted next
  float* sums = nullptr;                ///< aligned to 64 bytes
};
void multiply_pairs(const PairProduct& product) noexcept;

/// Two channels of pixels beside each other in bf16: out[i] has low[i] in its low half, high[i] in the other.
/// count  a multiple of 16
void join_bf16(const float* low, const float* high, std::size_t count, std::uint32_t* out) noexcept;

/// Weights of a convolution [outputs,channels,3,3] in bf16: [outputs,pairs of channels,9,2], a last channel alone
/// beside zeros. False if a number is not finite.
bool pack_taps(std::span<const float> values, std::size_t outputs, std::size_t channels, std::uint16_t* out) noexcept;
constexpr std::size_t tap_depth(std::size_t channels) noexcept { return (channels + 1) / 2 * 18; }

/// sums [rows,count] = weights · pixels under the taps, in bf16: of pack_taps and join_bf16.
struct TapProduct {
  const std::uint16_t* weights = nullptr;  ///< [rows,depth]
  std::size_t rows = 0, depth = 0;
  const std::uint32_t* pixels = nullptr;  ///< under the first tap
  const std::ptrdiff_t* steps = nullptr;  ///< [9]: from each tap's pixels to those of the next
  std::size_t count = 0;                  ///< of pixels, a multiple of 16
  float* sums = nullptr;                  ///< aligned to 64 bytes; their stride is `count`
};
void multiply_taps(const TapProduct& product) noexcept;

}  // namespace dit::cpu
