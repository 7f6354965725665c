// SPDX-License-Identifier: MIT
// Matrix products on packed weights. A panel of 48 columns and a group of rows stay in the second-level cache.
#include "engine/cpu/kernels/gemm.h"

#include <algorithm>
#include <array>

#include "engine/cpu/kernels/int8.h"
#include "engine/cpu/kernels/pairs/pairs.h"
#include "engine/cpu/memory.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "engine/cpu/kernels/gemm.cpp"
#include <hwy/foreach_target.h>

#include "engine/cpu/kernels/simd-inl.h"

HWY_BEFORE_NAMESPACE();
namespace dit::cpu::HWY_NAMESPACE {

// Rows whose partial sums fit the second-level cache next to a piece of a panel.
constexpr std::size_t group_blocks = 16;

HWY_INLINE void add_bias(const float* HWY_RESTRICT bias, float* HWY_RESTRICT values) {
  for (std::size_t i = 0; i < panel_columns; i += vector_floats)
    hn::Store(hn::Add(hn::Load(tag, values + i), hn::Load(tag, bias + i)), tag, values + i);
}

template <class Function>
HWY_INLINE void apply(const Function& function, float* HWY_RESTRICT values) {
  for (std::size_t i = 0; i < panel_columns; i += vector_floats)
    hn::Store(function(hn::Load(tag, values + i)), tag, values + i);
}

/// Stores one row of a panel; `values` has all 48 columns, y only `columns`.
HWY_INLINE void store_row(const float* HWY_RESTRICT values, std::size_t columns, float* HWY_RESTRICT y) {
  if (columns < panel_columns) {
    std::memcpy(y, values, columns * sizeof(float));
    return;
  }
  for (std::size_t i = 0; i < panel_columns; i += vector_floats) hn::StoreU(hn::Load(tag, values + i), tag, y + i);
}

/// y += gate · values. Multiplies, then adds, in both branches.
HWY_INLINE void gate_row(const float* HWY_RESTRICT values, const float* HWY_RESTRICT gate, std::size_t columns,
                         float* HWY_RESTRICT y) {
  if (columns < panel_columns) {
    for (std::size_t i = 0; i < columns; ++i) y[i] = y[i] + gate[i] * values[i];
    return;
  }
  for (std::size_t i = 0; i < panel_columns; i += vector_floats) {
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
      apply([](V x) HWY_ATTR { return silu(x); }, values);
      break;
    case Finish::gelu_erf:
      apply([](V x) HWY_ATTR { return gelu_erf(x); }, values);
      break;
    case Finish::gelu_tanh:
      apply([](V x) HWY_ATTR { return gelu_tanh(x); }, values);
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

/// Consecutive blocks of rows times one piece of a panel, into `sums`.
struct PanelPiece {
  const std::byte* values;  // [depth,48] in the panel's type
  DType dtype;
  std::size_t columns;  // of the 48, in whole vectors
  std::size_t depth;
  bool prefetched;  // whether what follows in memory is wanted next

  /// a [rows,depth]; `expanded` has room for the piece in f32.
  void multiply(const float* a, std::size_t a_stride, std::size_t rows, float* sums, bool add, float* expanded) const;
};

void PanelPiece::multiply(const float* a, std::size_t a_stride, std::size_t rows, float* sums, bool add,
                          float* expanded) const {
  const std::size_t bytes = PackedMatrix::piece_bytes(dtype, depth);
  const std::size_t row_tiles = (rows + tile_rows - 1) / tile_rows;
  const std::size_t loads = row_tiles * ((columns / vector_floats + tile_vectors - 1) / tile_vectors) * depth;
  const std::size_t step = prefetched ? std::min<std::size_t>(64, (bytes + loads - 1) / loads) : 0;
  const auto* floats = dtype == DType::f32 ? reinterpret_cast<const float*>(values) : expanded;
  Prefetch next{reinterpret_cast<const char*>(values + (prefetched ? bytes : 0)), step};
  // All columns of a block of rows before the next one, so that the lhs is read from the first-level cache.
  for (std::size_t row = 0; row < rows; row += block_rows) {
    const std::size_t end = std::min(rows, row + block_rows);
    for (std::size_t column = 0; column < columns;) {
      const std::size_t width = tile_width((columns - column) / vector_floats);
      for (std::size_t i = row; i < end; i += tile_rows, next.bytes += depth * step) {
        float* c = sums + i * panel_columns + column;
        if (i == 0 && dtype == DType::f16) {
          const auto* halves = reinterpret_cast<const hwy::float16_t*>(values) + column;
          tile_of<HalfColumns>(end - i, width)(a, a_stride, {halves, expanded + column, next}, depth, c, panel_columns,
                                               add);
        } else if (i == 0 && dtype == DType::int8_g32) {
          tile_of<GroupColumns>(end - i, width)(a, a_stride, {values, column, 0, expanded + column, next}, depth, c,
                                                panel_columns, add);
        } else {
          tile_of<PanelColumns>(end - i, width)(a + i * a_stride, a_stride, {floats + column, next}, depth, c,
                                                panel_columns, add);
        }
      }
      column += width * vector_floats;
    }
  }
}

/// `rows` rows from `row` on times a panel.
struct PanelRows {
  std::size_t panel, row, rows;
  std::size_t columns;  // of the 48, in whole vectors
  bool last;            // of the panel
};

void multiply_int8(const Product& product, const PanelRows& part, float* sums) {
  const std::size_t depth = product.weight->columns;
  const auto* a = reinterpret_cast<const std::uint8_t*>(product.a_narrow);
  for (std::size_t i = 0; i < part.rows; i += block_rows)
    int8_block(a + (part.row + i) * depth, product.a_scales + (part.row + i) * (depth / group_size),
               std::min(block_rows, part.rows - i), depth, product.weight->panel(part.panel), sums + i * panel_columns);
}

void multiply_pairs(const Product& product, const PanelRows& part, float* sums) {
  const PackedMatrix& weight = *product.weight;
  PairProduct pairs;
  pairs.dtype = weight.dtype;
  pairs.depth = pair_depth(weight.columns);
  pairs.a = reinterpret_cast<const std::uint16_t*>(product.a_narrow) + part.row * pairs.depth;
  if (weight.dtype == DType::i16) pairs.scales = product.a_scales + part.row * (pairs.depth / pair_group);
  pairs.rows = part.rows;
  pairs.panel = weight.panel(part.panel);
  pairs.columns = part.columns;
  pairs.prefetched = part.last;
  pairs.sums = sums;
  cpu::multiply_pairs(pairs);
}

void multiply_floats(const Product& product, const PanelRows& part, float* sums, float* expanded) {
  const PackedMatrix& weight = *product.weight;
  const std::size_t depth = weight.columns;
  for (std::size_t k = 0; k < depth; k += depth_piece) {
    const PanelPiece piece{weight.panel(part.panel) + PackedMatrix::piece_bytes(weight.dtype, k), weight.dtype,
                           part.columns, std::min(depth_piece, depth - k), k + depth_piece < depth || part.last};
    piece.multiply(product.a + part.row * depth + k, depth, part.rows, sums, k > 0, expanded);
  }
}

void product_units(const Product& product, std::size_t first, std::size_t last, float* expanded) {
  alignas(64) float sums[group_blocks * block_rows * panel_columns];
  const PackedMatrix& weight = *product.weight;
  const std::size_t blocks = product.blocks();
  while (first < last) {
    // Consecutive units are blocks of rows of the same panel.
    const std::size_t panel = first / blocks;
    const std::size_t block = first % blocks;
    const std::size_t count = std::min({last - first, blocks - block, group_blocks});
    const std::size_t row = block * block_rows;
    const std::size_t rows = std::min(count * block_rows, product.rows - row);
    // The last panel may be mostly padding.
    const std::size_t used = std::min(panel_columns, round_to_line(weight.rows - panel * panel_columns));
    const PanelRows part{panel, row, rows, used, block + count == blocks};
    if (weight.dtype == DType::i8) {
      multiply_int8(product, part, sums);
    } else if (weight.dtype == DType::bf16 || weight.dtype == DType::i16) {
      multiply_pairs(product, part, sums);
    } else {
      multiply_floats(product, part, sums, expanded);
    }
    for (std::size_t i = 0; i < rows; ++i)
      finish_row(product, row + i, panel * panel_columns, sums + i * panel_columns);
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

void product(const Product& product, std::size_t first, std::size_t last, float* scratch) noexcept {
  HWY_DYNAMIC_DISPATCH(product_units)(product, first, last, scratch);
}

}  // namespace dit::cpu
#endif
