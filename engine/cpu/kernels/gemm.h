// SPDX-License-Identifier: MIT
// Matrix products on packed weights. Units [first, last) of the work: any split gives the same bits.
#pragma once

#include <cstddef>
#include <cstdint>

#include "engine/cpu/kernels/rows.h"
#include "engine/cpu/weight_store.h"

namespace dit::cpu {

/// Depth of a product that is done in one go, so that a panel's piece fits the second-level cache.
inline constexpr std::size_t depth_piece = 512;

/// What happens to a product before it is stored.
enum class Finish {
  store,         ///< y = p + bias
  silu,          ///< y = silu(p + bias)
  gelu_erf,      ///< y = v·Φ(v), v = p + bias
  gelu_tanh,     ///< its approximation by tanh
  add,           ///< y += p + bias
  gate_add,      ///< y += gate · (p + bias)
  add_position,  ///< y = p + bias + position[m mod tokens]
};

/// y [M,O] = finish(a [M,K] · weightᵀ [K,O]). Every element is one chain of multiply-adds over K = 0, 1, 2 …, so a row
/// has the same bits in any batch, on any number of threads, and on any target with fused multiply-add.
struct Product {
  const float* a = nullptr;  ///< row stride is weight->columns
  /// In place of a where the weight is i8 (int8.h) or i16 or bf16 (pairs/pairs.h), and their scales where they have
  /// some.
  const std::byte* a_narrow = nullptr;
  const float* a_scales = nullptr;
  std::size_t rows = 0;
  const PackedMatrix* weight = nullptr;
  const float* bias = nullptr;  ///< padded to whole panels, or null
  float* y = nullptr;           ///< row stride is weight->rows
  Finish finish = Finish::store;
  RowTable gate;                    ///< gate_add
  const float* position = nullptr;  ///< add_position: [tokens,O]
  std::size_t tokens = 1;           ///< add_position

  std::size_t blocks() const noexcept { return (rows + block_rows - 1) / block_rows; }
  std::size_t units() const noexcept { return weight->panels() * blocks(); }
  /// Floats of scratch that each thread needs: a piece of a panel in f32.
  static constexpr std::size_t scratch() noexcept { return depth_piece * panel_columns; }
};
void product(const Product& product, std::size_t first, std::size_t last, float* scratch) noexcept;

}  // namespace dit::cpu
