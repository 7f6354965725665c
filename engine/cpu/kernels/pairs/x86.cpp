// SPDX-License-Identifier: MIT
// Products of pairs by AVX512_BF16, AVX-512 VNNI and AVX-VNNI.
#ifdef __x86_64__
#include <algorithm>
#include <array>
#include <cstring>
#include <limits>
#include <utility>

#include "engine/cpu/kernels/pairs/pairs.h"

#ifdef __GNUC__
// False alarms of the intrinsics' own headers, GCC bug 105593.
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif
#include <immintrin.h>

#define DIT_INT16 __attribute__((target("avx512f,avx512bw,avx512vl,avx512vnni")))
#define DIT_INT16_256 __attribute__((target("avx2,fma,avxvnni")))
#define DIT_BF16 __attribute__((target("avx512f,avx512bw,avx512vl,avx512bf16")))

namespace dit::cpu {
namespace {

// Registers: 24 sums, 3 columns, 1 pair of a row.
constexpr std::size_t most_rows = 8;
constexpr std::size_t pair_values = 2 * panel_columns;  // of a panel for two of the depth

// Half as wide, with half as many registers: 12 sums, 3 columns, 1 pair of a row.
constexpr std::size_t most_rows_256 = 4, vectors_256 = panel_columns / 8;

/// Of 32 bits: sums of __m512i, which counts in 64, GCC 12 moves to memory in every turn.
using Integers [[gnu::vector_size(64)]] = std::int32_t;

using Integers256 [[gnu::vector_size(32)]] = std::int32_t;

struct Tile {
  const std::uint16_t* a;  // [rows,depth]
  const float* scales;     // [rows,depth/64]
  std::size_t depth;
  const std::byte* panel;  // from this tile's first column on
  const char* next;        // asked for meanwhile
  std::size_t step;
  float* sums;
};

/// Both pairs and bf16 are 32 bits for an instruction that takes one pair for all columns.
inline std::int32_t pair_at(const std::uint16_t* a) noexcept {
  std::int32_t pair;
  std::memcpy(&pair, a, sizeof(pair));
  return pair;
}

// One sum for each element of I, all written out, or they would live in memory.
#define DIT_PAIR_OF_ROW _mm512_set1_epi32(pair_at(a + I / W * tile.depth))

template <std::size_t W, std::size_t... I>
DIT_BF16 inline void bf16_tile(std::index_sequence<I...>, const Tile& tile) {
  __m512 sum[sizeof...(I)];
  ((sum[I] = _mm512_setzero_ps()), ...);
  const auto* panel = reinterpret_cast<const std::uint16_t*>(tile.panel);
  const char* next = tile.next;
  for (const std::uint16_t *a = tile.a, *end = a + tile.depth; a != end; a += 2, panel += pair_values) {
    __m512bh weights[W];
    for (std::size_t v = 0; v < W; ++v) weights[v] = (__m512bh)_mm512_load_si512(panel + 32 * v);
    __builtin_prefetch(next, 0, 2);
    next += tile.step;
    ((sum[I] = _mm512_dpbf16_ps(sum[I], (__m512bh)DIT_PAIR_OF_ROW, weights[I % W])), ...);
  }
  (_mm512_store_ps(tile.sums + I / W * panel_columns + I % W * 16, sum[I]), ...);
}

/// Adds to the totals, which stay in memory: 768 products go between.
DIT_INT16 inline void add_scaled(Integers sum, float scale, float* total) {
  _mm512_store_ps(total,
                  _mm512_fmadd_ps(_mm512_cvtepi32_ps((__m512i)sum), _mm512_set1_ps(scale), _mm512_load_ps(total)));
}

DIT_INT16 inline void scale_columns(const float* scales, float* total) {
  _mm512_store_ps(total, _mm512_mul_ps(_mm512_load_ps(total), _mm512_load_ps(scales)));
}

/// [rows,depth] of weights, then pixels by taps.
struct TapTile {
  const std::uint16_t* weights;
  std::size_t depth;
  const std::uint32_t* pixels;
  const std::ptrdiff_t* steps;
  float* sums;
  std::size_t stride;
};

template <std::size_t W, std::size_t... I>
DIT_BF16 inline void tap_tile(std::index_sequence<I...>, const TapTile& tile) {
  __m512 sum[sizeof...(I)];
  ((sum[I] = _mm512_setzero_ps()), ...);
  const std::uint32_t* pixels = tile.pixels;
  for (const std::uint16_t *a = tile.weights, *end = a + tile.depth; a != end;) {
    for (std::size_t tap = 0; tap < 9; pixels += tile.steps[tap++], a += 2) {
      __m512bh columns[W];
      for (std::size_t v = 0; v < W; ++v) columns[v] = (__m512bh)_mm512_loadu_si512(pixels + 16 * v);
      ((sum[I] = _mm512_dpbf16_ps(sum[I], (__m512bh)DIT_PAIR_OF_ROW, columns[I % W])), ...);
    }
  }
  (_mm512_store_ps(tile.sums + I / W * tile.stride + I % W * 16, sum[I]), ...);
}

template <std::size_t W, std::size_t... I>
DIT_INT16 inline void int16_tile(std::index_sequence<I...>, const Tile& tile) {
  const auto* panel = reinterpret_cast<const std::uint16_t*>(tile.panel + panel_columns * sizeof(float));
  const std::size_t groups = tile.depth / pair_group;
  const std::uint16_t* a = tile.a;
  const char* next = tile.next;
  (_mm512_store_ps(tile.sums + I / W * panel_columns + I % W * 16, _mm512_setzero_ps()), ...);
  for (std::size_t g = 0; g < groups; ++g) {
    Integers sum[sizeof...(I)];
    ((sum[I] = Integers{}), ...);
    for (const std::uint16_t* end = a + pair_group; a != end; a += 2, panel += pair_values) {
      __m512i weights[W];
      for (std::size_t v = 0; v < W; ++v) weights[v] = _mm512_load_si512(panel + 32 * v);
      __builtin_prefetch(next, 0, 2);
      next += tile.step;
      ((sum[I] = (Integers)_mm512_dpwssd_epi32((__m512i)sum[I], DIT_PAIR_OF_ROW, weights[I % W])), ...);
    }
    (add_scaled(sum[I], tile.scales[I / W * groups + g], tile.sums + I / W * panel_columns + I % W * 16), ...);
  }
  const auto* scales = reinterpret_cast<const float*>(tile.panel);
  (scale_columns(scales + I % W * 16, tile.sums + I / W * panel_columns + I % W * 16), ...);
}

template <std::size_t Rows, std::size_t W>
DIT_BF16 void bf16_tile(const Tile& tile) {
  bf16_tile<W>(std::make_index_sequence<Rows * W>(), tile);
}
template <std::size_t Rows, std::size_t W>
DIT_BF16 void tap_tile(const TapTile& tile) {
  tap_tile<W>(std::make_index_sequence<Rows * W>(), tile);
}
template <std::size_t Rows, std::size_t W>
DIT_INT16 void int16_tile(const Tile& tile) {
  int16_tile<W>(std::make_index_sequence<Rows * W>(), tile);
}

DIT_INT16_256 inline void add_scaled_256(Integers256 sum, float scale, float* total) {
  const __m256 values = _mm256_cvtepi32_ps((__m256i)sum);
  _mm256_store_ps(total, _mm256_fmadd_ps(values, _mm256_set1_ps(scale), _mm256_load_ps(total)));
}

DIT_INT16_256 inline void scale_columns_256(const float* scales, float* total) {
  _mm256_store_ps(total, _mm256_mul_ps(_mm256_load_ps(total), _mm256_load_ps(scales)));
}

/// As int16_tile of W vectors of 8, from column `column` of the panel on.
template <std::size_t W, std::size_t... I>
DIT_INT16_256 inline void int16_tile_256(std::index_sequence<I...>, const Tile& tile, std::size_t column) {
  const auto* panel = reinterpret_cast<const std::uint16_t*>(tile.panel + panel_columns * sizeof(float)) + 2 * column;
  const std::size_t groups = tile.depth / pair_group;
  const std::uint16_t* a = tile.a;
  float* sums = tile.sums + column;
  (_mm256_store_ps(sums + I / W * panel_columns + I % W * 8, _mm256_setzero_ps()), ...);
  for (std::size_t g = 0; g < groups; ++g) {
    asm volatile("" ::: "memory");  // or the totals take the registers of the sums
    Integers256 sum[sizeof...(I)];
    ((sum[I] = Integers256{}), ...);
    for (const std::uint16_t* end = a + pair_group; a != end; a += 2, panel += pair_values) {
      __m256i weights[W];
      for (std::size_t v = 0; v < W; ++v)
        weights[v] = _mm256_load_si256(reinterpret_cast<const __m256i*>(panel + 16 * v));
      ((sum[I] = (Integers256)_mm256_dpwssd_avx_epi32(
            (__m256i)sum[I], _mm256_set1_epi32(pair_at(a + I / W * tile.depth)), weights[I % W])),
       ...);
    }
    (add_scaled_256(sum[I], tile.scales[I / W * groups + g], sums + I / W * panel_columns + I % W * 8), ...);
  }
  const auto* scales = reinterpret_cast<const float*>(tile.panel) + column;
  (scale_columns_256(scales + I % W * 8, sums + I / W * panel_columns + I % W * 8), ...);
}

template <std::size_t Rows, std::size_t W>
DIT_INT16_256 void int16_tile_256(const Tile& tile, std::size_t column) {
  int16_tile_256<W>(std::make_index_sequence<Rows * W>(), tile, column);
}

/// As int16_group, to the bit.
DIT_INT16_256 void int16_group_256(const float* x, std::uint16_t* out, float* scale) {
  __m256 values[8];
  __m256 most = _mm256_setzero_ps(), no_numbers = _mm256_setzero_ps();
  for (std::size_t i = 0; i < 8; ++i) {
    values[i] = _mm256_loadu_ps(x + 8 * i);
    most = _mm256_max_ps(_mm256_andnot_ps(_mm256_set1_ps(-0.f), values[i]), most);
    no_numbers = _mm256_or_ps(no_numbers, _mm256_cmp_ps(values[i], values[i], _CMP_UNORD_Q));
  }
  float all[8];
  _mm256_storeu_ps(all, most);
  const float largest = *std::max_element(all, all + 8);
  *scale = _mm256_movemask_ps(no_numbers) == 0 ? largest / 8191.f : std::numeric_limits<float>::quiet_NaN();
  const __m256 inverse = _mm256_set1_ps(largest > 1e-30f ? 8191.f / largest : 0.f);
  for (std::size_t i = 0; i < 8; i += 2) {
    const __m256i low = _mm256_cvtps_epi32(_mm256_mul_ps(values[i], inverse));
    const __m256i high = _mm256_cvtps_epi32(_mm256_mul_ps(values[i + 1], inverse));
    const __m256i both = _mm256_permute4x64_epi64(_mm256_packs_epi32(low, high), 0xd8);
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(out + 8 * i), both);
  }
}

DIT_INT16 void int16_group(const float* x, std::uint16_t* out, float* scale) {
  __m512 values[4];
  __m512 most = _mm512_setzero_ps();
  __mmask16 no_numbers = 0;
  for (std::size_t i = 0; i < 4; ++i) {
    values[i] = _mm512_loadu_ps(x + 16 * i);
    most = _mm512_max_ps(_mm512_abs_ps(values[i]), most);
    no_numbers |= _mm512_cmp_ps_mask(values[i], values[i], _CMP_UNORD_Q);
  }
  const float largest = _mm512_reduce_max_ps(most);
  // A scale that is not finite makes a product that is not; the largest alone would hide NaN.
  *scale = no_numbers == 0 ? largest / 8191.f : std::numeric_limits<float>::quiet_NaN();
  const __m512 inverse = _mm512_set1_ps(largest > 1e-30f ? 8191.f / largest : 0.f);
  for (std::size_t i = 0; i < 4; ++i)
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(out + 16 * i),
                        _mm512_cvtsepi32_epi16(_mm512_cvtps_epi32(_mm512_mul_ps(values[i], inverse))));
}

DIT_BF16 void bf16_group(const float* x, std::uint16_t* out) {
  for (std::size_t i = 0; i < pair_group; i += 16) {
    const __m256bh half = _mm512_cvtneps_pbh(_mm512_loadu_ps(x + i));
    std::memcpy(out + i, &half, sizeof(half));
  }
}

/// Calls convert(64 values, where they go, number of the group in all) for all groups of all rows.
template <class Convert>
void for_each_group(const float* x, std::size_t rows, std::size_t columns, std::uint16_t* out, const Convert& convert) {
  const std::size_t groups = pair_depth(columns) / pair_group;
  for (std::size_t r = 0; r < rows; ++r, x += columns) {
    for (std::size_t g = 0; g < groups; ++g) {
      const std::size_t at = r * groups + g, start = g * pair_group, count = std::min(pair_group, columns - start);
      float last[pair_group];
      const float* values = x + start;
      if (count < pair_group) {
        std::fill(std::copy_n(values, count, last), std::end(last), 0.f);
        values = last;
      }
      convert(values, out + at * pair_group, at);
    }
  }
}

template <class Of>
using Tiles = std::array<std::array<void (*)(const Of&), most_rows>, 3>;  // [vectors − 1][rows − 1]

template <std::size_t... R>
constexpr Tiles<Tile> bf16_tiles(std::index_sequence<R...>) {
  return {{{&bf16_tile<R + 1, 1>...}, {&bf16_tile<R + 1, 2>...}, {&bf16_tile<R + 1, 3>...}}};
}
template <std::size_t... R>
constexpr Tiles<Tile> int16_tiles(std::index_sequence<R...>) {
  return {{{&int16_tile<R + 1, 1>...}, {&int16_tile<R + 1, 2>...}, {&int16_tile<R + 1, 3>...}}};
}
template <std::size_t... R>
constexpr Tiles<TapTile> tap_tiles(std::index_sequence<R...>) {
  return {{{&tap_tile<R + 1, 1>...}, {&tap_tile<R + 1, 2>...}, {&tap_tile<R + 1, 3>...}}};
}

bool has_avx512_vnni() noexcept {
  return __builtin_cpu_supports("avx512vnni") && __builtin_cpu_supports("avx512bw") &&
         __builtin_cpu_supports("avx512vl");
}
bool has_avx_vnni() noexcept {
  return __builtin_cpu_supports("avxvnni") && __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
}
bool narrow_vectors = !has_avx512_vnni();

void multiply_int16_256(const PairProduct& p) noexcept {
  using Function = void (*)(const Tile&, std::size_t);
  static constexpr Function tiles[2][most_rows_256] = {
      {int16_tile_256<1, 2>, int16_tile_256<2, 2>, int16_tile_256<3, 2>, int16_tile_256<4, 2>},
      {int16_tile_256<1, 3>, int16_tile_256<2, 3>, int16_tile_256<3, 3>, int16_tile_256<4, 3>}};
  // 48 columns are 3 and 3 vectors, 32 are 2 and 2.
  const std::size_t vectors = p.columns / 8 == vectors_256 ? 3 : 2;
  for (std::size_t row = 0; row < p.rows; row += most_rows_256) {
    const Tile tile = {
        p.a + row * p.depth,         p.scales + row * (p.depth / pair_group), p.depth, p.panel, nullptr, 0,
        p.sums + row * panel_columns};
    for (std::size_t column = 0; column < p.columns; column += 8 * vectors)
      tiles[vectors - 2][std::min(p.rows - row, most_rows_256) - 1](tile, column);
  }
}

}  // namespace

bool bf16_usable() noexcept {
  return __builtin_cpu_supports("avx512bf16") && __builtin_cpu_supports("avx512bw") &&
         __builtin_cpu_supports("avx512vl");
}

bool int16_usable() noexcept { return has_avx512_vnni() || has_avx_vnni(); }

bool force_avx_vnni(bool forced) noexcept {
  narrow_vectors = forced || !has_avx512_vnni();
  return has_avx_vnni();
}

void bf16_rows(const float* x, std::size_t rows, std::size_t columns, std::uint16_t* out) noexcept {
  for_each_group(x, rows, columns, out,
                 [](const float* values, std::uint16_t* to, std::size_t) { bf16_group(values, to); });
}

void int16_rows(const float* x, std::size_t rows, std::size_t columns, std::uint16_t* out, float* scales) noexcept {
  const auto group = narrow_vectors ? int16_group_256 : int16_group;
  for_each_group(x, rows, columns, out, [group, scales](const float* values, std::uint16_t* to, std::size_t at) {
    group(values, to, scales + at);
  });
}

DIT_BF16 void join_bf16(const float* low, const float* high, std::size_t count, std::uint32_t* out) noexcept {
  for (std::size_t i = 0; i < count; i += 16) {
    const __m512i l = _mm512_cvtepu16_epi32((__m256i)_mm512_cvtneps_pbh(_mm512_loadu_ps(low + i)));
    const __m512i h = _mm512_cvtepu16_epi32((__m256i)_mm512_cvtneps_pbh(_mm512_loadu_ps(high + i)));
    _mm512_storeu_si512(out + i, _mm512_or_si512(l, _mm512_slli_epi32(h, 16)));
  }
}

void multiply_taps(const TapProduct& p) noexcept {
  static constexpr Tiles<TapTile> tiles = tap_tiles(std::make_index_sequence<most_rows>());
  for (std::size_t pixel = 0; pixel < p.count;) {
    const std::size_t rest = (p.count - pixel) / 16, vectors = rest == 4 ? 2 : std::min<std::size_t>(rest, 3);
    for (std::size_t row = 0; row < p.rows; row += most_rows)
      tiles[vectors - 1][std::min(p.rows - row, most_rows) - 1](
          {p.weights + row * p.depth, p.depth, p.pixels + pixel, p.steps, p.sums + row * p.count + pixel, p.count});
    pixel += vectors * 16;
  }
}

void multiply_pairs(const PairProduct& p) noexcept {
  if (p.dtype == DType::i16 && narrow_vectors) return multiply_int16_256(p);
  static constexpr Tiles<Tile> bf16 = bf16_tiles(std::make_index_sequence<most_rows>());
  static constexpr Tiles<Tile> int16 = int16_tiles(std::make_index_sequence<most_rows>());
  const std::size_t bytes = PackedMatrix::piece_bytes(p.dtype, p.depth);
  const std::size_t loads = (p.rows + most_rows - 1) / most_rows * (p.depth / 2);
  const std::size_t step = p.prefetched ? std::min<std::size_t>(64, (bytes + loads - 1) / loads) : 0;
  const auto& tiles = (p.dtype == DType::bf16 ? bf16 : int16)[p.columns / 16 - 1];
  const char* next = reinterpret_cast<const char*>(p.panel) + (p.prefetched ? bytes : 0);
  for (std::size_t row = 0; row < p.rows; row += most_rows, next += p.depth / 2 * step) {
    const float* scales = p.scales ? p.scales + row * (p.depth / pair_group) : nullptr;
    tiles[std::min(p.rows - row, most_rows) - 1](
        {p.a + row * p.depth, scales, p.depth, p.panel, next, step, p.sums + row * panel_columns});
  }
}

}  // namespace dit::cpu
#endif
