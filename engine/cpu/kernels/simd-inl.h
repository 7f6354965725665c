// SPDX-License-Identifier: MIT
// What the kernels share, compiled once for each SIMD target: the inner matrix product, sums, exp.
// All orders of summation are those of 16 floats, whatever the width of the target's vectors.

#include <hwy/highway.h>

#include <array>
#include <cstddef>
#include <cstring>
#include <utility>

#include "engine/cpu/weight_store.h"

// A guard that lets the file in once for each target.
#if defined(DIT_CPU_SIMD_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef DIT_CPU_SIMD_INL_H_
#undef DIT_CPU_SIMD_INL_H_
#else
#define DIT_CPU_SIMD_INL_H_
#endif

HWY_BEFORE_NAMESPACE();
namespace dit::cpu::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

using Tag = hn::CappedTag<float, 16>;
using V = hn::Vec<Tag>;
inline constexpr Tag tag{};
inline constexpr std::size_t vector_floats = hn::MaxLanes(Tag());

// Registers: 24 accumulators, 3 columns, 1 row of 32; 12, 3, 1 of 16. On NEON, where the rows are all loaded first and
// three columns would spill, 16, 2, 8 of 32; by architecture, as later Highways have several NEONs, AES or not.
#if HWY_TARGET <= HWY_AVX3
inline constexpr std::size_t tile_rows = 8, tile_vectors = 3;
#elif HWY_ARCH_ARM_A64
inline constexpr std::size_t tile_rows = 8, tile_vectors = 2;
#else
inline constexpr std::size_t tile_rows = 4, tile_vectors = 3;
#endif

/// Where a tile finds the next row of its columns. Each kind moves on by itself.
struct PlainColumns {
  const float* values;
  std::size_t stride;

  template <std::size_t W>
  HWY_INLINE void load(V (&column)[W]) {
    for (std::size_t i = 0; i < W; ++i) column[i] = hn::Load(tag, values + i * vector_floats);
    values += stride;
  }
};

/// Asks for memory that the next tiles will read, a little at each row, so that the requests never queue up.
struct Prefetch {
  const char* bytes;
  std::size_t step;

  HWY_INLINE void ask() {
    __builtin_prefetch(bytes, 0, 2);
    bytes += step;
  }
};

/// A panel in f32.
struct PanelColumns {
  const float* values;
  Prefetch prefetch;

  template <std::size_t W>
  HWY_INLINE void load(V (&column)[W]) {
    for (std::size_t i = 0; i < W; ++i) column[i] = hn::Load(tag, values + i * vector_floats);
    values += panel_columns;
    prefetch.ask();
  }
};

/// A panel in f16: exact in f32, and written down as such for the rows that come after.
struct HalfColumns {
  const hwy::float16_t* halves;
  float* expanded;
  Prefetch prefetch;

  template <std::size_t W>
  HWY_INLINE void load(V (&column)[W]) {
    const hn::Rebind<hwy::float16_t, Tag> half;
    for (std::size_t i = 0; i < W; ++i) {
      column[i] = hn::PromoteTo(tag, hn::Load(half, halves + i * vector_floats));
      hn::Store(column[i], tag, expanded + i * vector_floats);
    }
    halves += panel_columns;
    expanded += panel_columns;
    prefetch.ask();
  }
};

/// A panel of integers and the scales of 32 rows: value = scale · integer, written down for the rows that come after.
struct GroupColumns {
  const std::byte* group;  // 48 scales, then [32,48] integers
  std::size_t column;
  std::size_t row;
  float* expanded;
  Prefetch prefetch;

  template <std::size_t W>
  HWY_INLINE void load(V (&values)[W]) {
    const hn::Rebind<std::int8_t, Tag> small;
    const hn::Rebind<std::int32_t, Tag> wide;
    const auto* scales = reinterpret_cast<const float*>(group) + column;
    const auto* integers = reinterpret_cast<const std::int8_t*>(group + panel_columns * (sizeof(float) + row)) + column;
    for (std::size_t i = 0; i < W; ++i) {
      const V whole = hn::ConvertTo(tag, hn::PromoteTo(wide, hn::Load(small, integers + i * vector_floats)));
      values[i] = hn::Mul(whole, hn::Load(tag, scales + i * vector_floats));
      hn::Store(values[i], tag, expanded + i * vector_floats);
    }
    expanded += panel_columns;
    if (++row == group_size) {
      row = 0;
      group += packed_group_bytes;
    }
    prefetch.ask();
  }
};

/// c [R,W·vector_floats] (+)= a [R,k] · columns [k,W·vector_floats]; one chain of multiply-adds over k for each
/// element.
template <std::size_t W, class Columns, std::size_t... I>
HWY_INLINE void tile(std::index_sequence<I...>, const float* HWY_RESTRICT a, std::size_t a_stride, Columns columns,
                     std::size_t k, float* HWY_RESTRICT c, std::size_t c_stride, bool add) {
  V sum[sizeof...(I)];
  if (add) {
    ((sum[I] = hn::Load(tag, c + I / W * c_stride + I % W * vector_floats)), ...);
  } else {
    ((sum[I] = hn::Zero(tag)), ...);
  }
  for (std::size_t i = 0; i < k; ++i) {
    V column[W];
    columns.load(column);
    ((sum[I] = hn::MulAdd(hn::Set(tag, a[I / W * a_stride + i]), column[I % W], sum[I])), ...);
  }
  (hn::Store(sum[I], tag, c + I / W * c_stride + I % W * vector_floats), ...);
}

template <std::size_t R, std::size_t W, class Columns>
HWY_NOINLINE void tile(const float* HWY_RESTRICT a, std::size_t a_stride, Columns columns, std::size_t k,
                       float* HWY_RESTRICT c, std::size_t c_stride, bool add) {
  tile<W>(std::make_index_sequence<R * W>(), a, a_stride, columns, k, c, c_stride, add);
}

template <class Columns>
using TileFunction = void (*)(const float*, std::size_t, Columns, std::size_t, float*, std::size_t, bool);

/// tiles<Columns, W>[r − 1] does r rows.
template <class Columns, std::size_t W, std::size_t... R>
constexpr auto make_tiles(std::index_sequence<R...>) {
  return std::array<TileFunction<Columns>, sizeof...(R)>{&tile<R + 1, W, Columns>...};
}
template <class Columns, std::size_t W>
inline constexpr auto tiles = make_tiles<Columns, W>(std::make_index_sequence<tile_rows>());

/// The tile for up to tile_rows rows and 1, 2 or 3 vectors.
template <class Columns>
HWY_INLINE TileFunction<Columns> tile_of(std::size_t rows, std::size_t vectors) {
  const auto& rows_of = vectors == 3 ? tiles<Columns, 3> : (vectors == 2 ? tiles<Columns, 2> : tiles<Columns, 1>);
  return rows_of[(rows < tile_rows ? rows : tile_rows) - 1];
}

/// Vectors of the next tile when `remaining` are still to be done. Four are two and two: a tile of one vector waits for
/// its loads.
HWY_INLINE std::size_t tile_width(std::size_t remaining) {
  return remaining == 4 ? 2 : (remaining < tile_vectors ? remaining : tile_vectors);
}

/// c [rows,columns] = a [rows,k] · b [k,columns]; columns a multiple of 16, b and c aligned to 64 bytes.
HWY_INLINE void multiply(const float* a, std::size_t a_stride, std::size_t rows, const float* b, std::size_t b_stride,
                         std::size_t columns, std::size_t k, float* c, std::size_t c_stride) {
  for (std::size_t column = 0; column < columns;) {
    const std::size_t width = tile_width((columns - column) / vector_floats);
    for (std::size_t row = 0; row < rows; row += tile_rows) {
      tile_of<PlainColumns>(rows - row, width)(a + row * a_stride, a_stride, {b + column, b_stride}, k,
                                               c + row * c_stride + column, c_stride, false);
    }
    column += width * vector_floats;
  }
}

/// Sum of 16 partial sums, pairwise.
HWY_INLINE float sum_of_16(const float* HWY_RESTRICT part) {
  float sum[8];
  for (std::size_t i = 0; i < 8; ++i) sum[i] = part[i] + part[i + 8];
  for (std::size_t i = 0; i < 4; ++i) sum[i] += sum[i + 4];
  return (sum[0] + sum[2]) + (sum[1] + sum[3]);
}

/// exp of x held within −87…88, relative error below 2e-7; NaN for NaN.
HWY_INLINE V exp(V x) {
  // Where the second operand is NaN, so is the result, on every target.
  x = hn::Min(hn::Set(tag, 88.f), hn::Max(hn::Set(tag, -87.f), x));
  const hn::RebindToSigned<Tag> integers;
  const V log2_e = hn::Set(tag, 1.44269504f);
  // ln 2 in two parts: the first has few bits, so that its product with n is exact.
  const V ln2_high = hn::Set(tag, 0.693359375f);
  const V ln2_low = hn::Set(tag, -2.12194440e-4f);
  const auto n = hn::NearestInt(hn::Mul(x, log2_e));
  const V whole = hn::ConvertTo(tag, n);
  const V r = hn::NegMulAdd(whole, ln2_low, hn::NegMulAdd(whole, ln2_high, x));
  // Minimax fit of (exp(r) − 1 − r)/r² on |r| ≤ ln 2/2, relative error of exp 3e-9.
  V p = hn::Set(tag, 0.0013814540579915047f);
  p = hn::MulAdd(p, r, hn::Set(tag, 0.00836874544620514f));
  p = hn::MulAdd(p, r, hn::Set(tag, 0.04166838899254799f));
  p = hn::MulAdd(p, r, hn::Set(tag, 0.1666652113199234f));
  p = hn::MulAdd(p, r, hn::Set(tag, 0.4999999403953552f));
  p = hn::Add(hn::MulAdd(p, hn::Mul(r, r), r), hn::Set(tag, 1.f));
  const V power = hn::BitCast(tag, hn::ShiftLeft<23>(hn::Add(n, hn::Set(integers, 127))));
  return hn::Mul(p, power);
}

/// erf(x), absolute error below 5e-7. source: Abramowitz & Stegun 1964, 7.1.26
HWY_INLINE V erf(V x) {
  const V one = hn::Set(tag, 1.f);
  const V size = hn::Abs(x);
  const V t = hn::Div(one, hn::MulAdd(size, hn::Set(tag, 0.3275911f), one));
  V p = hn::Set(tag, 1.061405429f);
  p = hn::MulAdd(p, t, hn::Set(tag, -1.453152027f));
  p = hn::MulAdd(p, t, hn::Set(tag, 1.421413741f));
  p = hn::MulAdd(p, t, hn::Set(tag, -0.284496736f));
  p = hn::MulAdd(p, t, hn::Set(tag, 0.254829592f));
  const V rest = hn::Mul(hn::Mul(p, t), exp(hn::Neg(hn::Mul(x, x))));
  return hn::CopySign(hn::Sub(one, rest), x);
}

HWY_INLINE V silu(V x) { return hn::Div(x, hn::Add(hn::Set(tag, 1.f), exp(hn::Neg(x)))); }

/// x·Φ(x) = x·(1 + erf(x/√2))/2.
HWY_INLINE V gelu_erf(V x) {
  const V phi = hn::MulAdd(erf(hn::Mul(x, hn::Set(tag, 0.707106781f))), hn::Set(tag, 0.5f), hn::Set(tag, 0.5f));
  return hn::Mul(x, phi);
}

/// x·(1 + tanh(u))/2 = x/(1 + exp(−2u)), u = √(2/π)·(x + 0.044715 x³).
HWY_INLINE V gelu_tanh(V x) {
  const V inner = hn::MulAdd(hn::Mul(hn::Mul(x, x), x), hn::Set(tag, 0.044715f), x);
  return hn::Div(x, hn::Add(hn::Set(tag, 1.f), exp(hn::Mul(inner, hn::Set(tag, -1.59576912f)))));
}

}  // namespace dit::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
