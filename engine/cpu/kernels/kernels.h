// SPDX-License-Identifier: MIT
// The loops that a plan is made of. Each does units [first, last) of its work: any split gives the same bits.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "engine/cpu/weight_store.h"
#include "engine/executor.h"

namespace dit::cpu {

/// Rows of the lhs that one unit of a matrix product covers.
inline constexpr std::size_t block_rows = 8;
/// Depth of a product that is done in one go, so that a panel's piece fits the second-level cache.
inline constexpr std::size_t depth_piece = 512;

/// Per-row values from a table [rows of the table, columns]: row m of a product reads table row `rows[m / tokens]`.
struct RowTable {
  const float* values = nullptr;  ///< at the first column wanted
  std::size_t columns = 0;        ///< stride
  const std::uint32_t* rows = nullptr;
  std::size_t tokens = 1;

  const float* at(std::size_t m) const noexcept { return values + rows[m / tokens] * columns; }
};

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
  const float* a = nullptr;                  ///< row stride is weight->columns
  const std::uint8_t* a_integers = nullptr;  ///< in place of a where the weight is i8, see int8.h
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

/// y = norm(x)·(1+scale)+shift over D. A unit is a row.
struct NormModulate {
  const float* x = nullptr;  ///< [M,D]
  std::size_t dim = 0;
  Norm kind;
  RowTable shift, scale;
  float* y = nullptr;  ///< [M,D]
};
void norm_modulate(const NormModulate& norm, std::size_t first, std::size_t last) noexcept;

/// y = softmax(q kᵀ/√D) v per head; see op::Attention. A unit is `block_rows` queries of one head of one batch row.
struct Attention {
  const float* qkv = nullptr;     ///< [R,T,3,N,D]
  const float* q_norm = nullptr;  ///< [D] or null
  const float* k_norm = nullptr;  ///< [D] or null
  float norm_eps = 0;
  std::size_t rows = 0, tokens = 0, heads = 0, head_dim = 0;
  float* y = nullptr;  ///< [R,T,N,D]

  std::size_t blocks() const noexcept { return (tokens + block_rows - 1) / block_rows; }
  std::size_t units() const noexcept { return rows * heads * blocks(); }
  /// Floats of scratch that each thread needs.
  std::size_t scratch() const noexcept;
};
void attention(const Attention& attention, std::size_t first, std::size_t last, float* scratch) noexcept;

/// out [B·T,C·V·V] = windows of x [B,C,H,W], see op::Embed. A unit is a token.
struct Patches {
  const float* x = nullptr;
  std::size_t channels = 0, height = 0, width = 0, patch = 0, window = 0;
  float* out = nullptr;
};
void patches(const Patches& patches, std::size_t first, std::size_t last) noexcept;
/// The way back: y [R,C,H,W] from features [R·T,C·V·V], see op::Final. A unit is a token, which writes its own patch.
struct Unpatches {
  const float* features = nullptr;
  std::size_t channels = 0, height = 0, width = 0, patch = 0, window = 0;
  float* y = nullptr;
};
void unpatches(const Unpatches& unpatches, std::size_t first, std::size_t last) noexcept;

/// See op::Combine, for one icon. A unit is an element of the icon.
struct Combine {
  const float* conditional = nullptr;
  const float* unconditional = nullptr;  ///< null without guidance
  float* x = nullptr;
  float* history[4] = {};  ///< history[i] is dᵢ: d0 is written, the others are read
  SolverRow row;
  std::uint32_t draw = 0;
  IconPoint icon;
};
void combine(const Combine& combine, std::size_t first, std::size_t last) noexcept;

/// See op::ToRgba, for one icon. A unit is a pixel.
struct ToRgba {
  const float* x = nullptr;  ///< [C,pixels], C is 3 or 4
  std::size_t channels = 0, pixels = 0;
  bool premultiplied = false;
  Rounding rounding = Rounding::nearest;
  std::uint8_t* rgba = nullptr;  ///< [pixels,4]
};
void to_rgba(const ToRgba& to_rgba, std::size_t first, std::size_t last) noexcept;

}  // namespace dit::cpu
