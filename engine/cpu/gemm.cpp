// SPDX-License-Identifier: MIT
// Matrix products on packed weights. A panel of 48 columns and a group of rows stay in the second-level cache.
#include <algorithm>
#include <array>

#include "engine/cpu/kernels.h"
#include "engine/cpu/memory.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "engine/cpu/gemm.cpp"
#include <hwy/foreach_target.h>

#include "engine/cpu/simd-inl.h"

HWY_BEFORE_NAMESPACE();
namespace dit::cpu::HWY_NAMESPACE {

// A group of rows and its partial sums; both fit the second-level cache next to a piece of a panel.
constexpr std::size_t group_blocks = 16;
constexpr std::size_t depth_piece = 512;

HWY_INLINE void add_bias(const float* HWY_RESTRICT bias, float* HWY_RESTRICT values) {
  for (std::size_t i = 0; i < panel_columns; i += lanes)
    hn::Store(hn::Add(hn::Load(tag, values + i), hn::Load(tag, bias + i)), tag, values + i);
}

HWY_INLINE void silu(float* HWY_RESTRICT values) {
  for (std::size_t i = 0; i < panel_columns; i += lanes) {
    const V x = hn::Load(tag, values + i);
    hn::Store(hn::Div(x, hn::Add(hn::Set(tag, 1.f), exp(hn::Neg(x)))), tag, values + i);
  }
}

/// v·Φ(v) = v·(1 + erf(v/√2))/2.
HWY_INLINE void gelu_erf(float* HWY_RESTRICT values) {
  for (std::size_t i = 0; i < panel_columns; i += lanes) {
    const V x = hn::Load(tag, values + i);
    const V phi = hn::MulAdd(erf(hn::Mul(x, hn::Set(tag, 0.707106781f))), hn::Set(tag, 0.5f), hn::Set(tag, 0.5f));
    hn::Store(hn::Mul(x, phi), tag, values + i);
  }
}

/// v·(1 + tanh(u))/2 = v/(1 + exp(−2u)), u = √(2/π)·(v + 0.044715 v³).
HWY_INLINE void gelu_tanh(float* HWY_RESTRICT values) {
  for (std::size_t i = 0; i < panel_columns; i += lanes) {
    const V x = hn::Load(tag, values + i);
    const V inner = hn::MulAdd(hn::Mul(hn::Mul(x, x), x), hn::Set(tag, 0.044715f), x);
    const V e = exp(hn::Mul(inner, hn::Set(tag, -1.59576912f)));
    hn::Store(hn::Div(x, hn::Add(hn::Set(tag, 1.f), e)), tag, values + i);
  }
}

/// Stores one row of a panel; `values` has all 48 columns, y only `columns`.
HWY_INLINE void store_row(const float* HWY_RESTRICT values, std::size_t columns, float* HWY_RESTRICT y) {
  if (columns < panel_columns) {
    std::memcpy(y, values, columns * sizeof(float));
    return;
  }
  for (std::size_t i = 0; i < panel_columns; i += lanes) hn::StoreU(hn::Load(tag, values + i), tag, y + i);
}

/// y += gate · values. Multiplies, then adds, in both branches.
HWY_INLINE void gate_row(const float* HWY_RESTRICT values, const float* HWY_RESTRICT gate, std::size_t columns,
                         float* HWY_RESTRICT y) {
  if (columns < panel_columns) {
    for (std::size_t i = 0; i < columns; ++i) y[i] = y[i] + gate[i] * values[i];
    return;
  }
  for (std::size_t i = 0; i < panel_columns; i += lanes) {
    const V gated = hn::Mul(hn::LoadU(tag, gate + i), hn::Load(tag, values + i));
    hn::StoreU(hn::Add(hn::LoadU(tag, y + i), gated), tag, y + i);
  }
}

/// y += values.
HWY_INLINE void add_row(const float* HWY_RESTRICT values, std::size_t columns, float* HWY_RESTRICT y) {
  for (std::size_t i = 0; i < columns; ++i) y[i] += values[i];
}

HWY_INLINE void finish_row(const Product& product, std::size_t row, std::size_t column, float* HWY_RESTRICT values) {
  const std::size_t columns = std::min<std::size_t>(panel_columns, product.weight->rows - column);
  float* y = product.y + row * product.weight->rows + column;
  if (product.bias) add_bias(product.bias + column, values);
  switch (product.finish) {
    case Finish::silu:
      silu(values);
      break;
    case Finish::gelu_erf:
      gelu_erf(values);
      break;
    case Finish::gelu_tanh:
      gelu_tanh(values);
      break;
    case Finish::add:
      add_row(values, columns, y);
      return;
    case Finish::gate_add:
      gate_row(values, product.gate.at(row) + column, columns, y);
      return;
    case Finish::add_position: {
      const float* position = product.position + row % product.tokens * product.weight->rows + column;
      for (std::size_t i = 0; i < columns; ++i) values[i] += position[i];
      break;
    }
    case Finish::store:
      break;
  }
  store_row(values, columns, y);
}

void product_units(const Product& product, std::size_t first, std::size_t last) {
  alignas(64) float sums[group_blocks * block_rows * panel_columns];
  const std::size_t depth = product.weight->columns;
  const std::size_t blocks = product.blocks();
  while (first < last) {
    // Consecutive units are blocks of rows of the same panel.
    const std::size_t panel = first / blocks;
    const std::size_t block = first % blocks;
    const std::size_t count = std::min({last - first, blocks - block, group_blocks});
    const std::size_t row = block * block_rows;
    const std::size_t rows = std::min(count * block_rows, product.rows - row);
    const float* columns = product.weight->panel(panel);
    // The last panel may be mostly padding.
    const std::size_t used = std::min(panel_columns, round_to_line(product.weight->rows - panel * panel_columns));
    for (std::size_t k = 0; k < depth; k += depth_piece) {
      const std::size_t piece = std::min(depth_piece, depth - k);
      for (std::size_t i = 0; i < rows; i += block_rows) {
        const std::size_t some = std::min(block_rows, rows - i);
        multiply(product.a + (row + i) * depth + k, depth, some, columns + k * panel_columns, panel_columns, used,
                 piece, sums + i * panel_columns, panel_columns, k > 0);
        if (k + piece < depth) continue;
        for (std::size_t j = i; j < i + some; ++j)
          finish_row(product, row + j, panel * panel_columns, sums + j * panel_columns);
      }
    }
    first += count;
  }
}

}  // namespace dit::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace dit::cpu {
namespace {
HWY_EXPORT(product_units);
}  // namespace

void product(const Product& product, std::size_t first, std::size_t last) noexcept {
  HWY_DYNAMIC_DISPATCH(product_units)(product, first, last);
}

}  // namespace dit::cpu
#endif
