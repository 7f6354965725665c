// SPDX-License-Identifier: MIT
// Products whose both sides are integers in groups of 32 with a scale each: three times the rate of f32 where the
// processor multiplies bytes (AVX-512 VNNI, Arm's dot products). Integer sums are exact, so bits depend on nothing but
// the operands.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "engine/cpu/weight_store.h"

namespace dit::cpu {

/// Whether this processor can run int8_block().
bool int8_usable() noexcept;

/// Rows of an lhs: value ≈ scale of its 32 · (q − 128), scale = max|value|/127.
/// x, q [rows,columns]; scales [rows,columns/32]; columns is a multiple of 32
void quantise_rows(const float* x, std::size_t rows, std::size_t columns, std::uint8_t* q, float* scales) noexcept;

/// Packs `count` ≤ 48 rows of a weight as a panel of type i8; integers [count,columns], scales [count,columns/32].
void pack_int8_panel(std::span<const std::int8_t> integers, std::span<const float> scales, std::size_t count,
                     std::size_t columns, std::byte* out) noexcept;

/// sums [rows,48] = Σ over groups of scale · scale · Σ q·w, in the order of the groups; rows ≤ 8.
/// q has a stride of `columns`, scales of columns/32.
void int8_block(const std::uint8_t* q, const float* scales, std::size_t rows, std::size_t columns,
                const std::byte* panel, float* sums) noexcept;

}  // namespace dit::cpu
