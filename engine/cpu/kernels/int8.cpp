// SPDX-License-Identifier: MIT
#include "engine/cpu/kernels/int8.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <limits>

#include "engine/cpu/kernels/kernels.h"

#ifdef __x86_64__
#ifdef __GNUC__
// False alarms of the intrinsics' own headers, GCC bug 105593.
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif
#include <immintrin.h>
#elif defined(__aarch64__) && defined(__linux__)
#include <arm_neon.h>
#include <sys/auxv.h>
#endif

namespace dit::cpu {
namespace {

/// 32 of K for 48 columns. The instruction of x86-64 multiplies unsigned by signed bytes, so the lhs is q + 128 and
/// there every sum starts at −128 times the sum of its weights.
struct Group {
  float scales[panel_columns];
  std::int32_t starts[panel_columns];
  std::int8_t weights[group_size / 4][panel_columns][4];
};
static_assert(sizeof(Group) == int8_group_bytes);

}  // namespace

void pack_int8_panel(std::span<const std::int8_t> integers, std::span<const float> scales, std::size_t count,
                     std::size_t columns, std::byte* out) noexcept {
  const std::size_t groups = columns / group_size;
  for (std::size_t g = 0; g < groups; ++g) {
    Group group = {};
    for (std::size_t i = 0; i < count; ++i) {
      group.scales[i] = scales[i * groups + g];
      for (std::size_t k = 0; k < group_size; ++k) {
        const std::int8_t weight = integers[i * columns + g * group_size + k];
        group.weights[k / 4][i][k % 4] = weight;
        group.starts[i] -= 128 * weight;
      }
    }
    std::memcpy(out + g * sizeof(Group), &group, sizeof(Group));
  }
}

#ifdef __x86_64__
namespace {

#define DIT_INT8 __attribute__((target("avx512f,avx512bw,avx512vl,avx512vnni")))

// Registers: 12 sums of integers, 12 of floats, 3 columns, 1 row of 32.
constexpr std::size_t int8_tile_rows = 4;

template <std::size_t Rows>
DIT_INT8 void int8_tile(const std::uint8_t* q, const float* scales, std::size_t columns, const std::byte* panel,
                        float* sums) {
  __m512 total[Rows][3];
  for (std::size_t r = 0; r < Rows; ++r)
    for (std::size_t v = 0; v < 3; ++v) total[r][v] = _mm512_setzero_ps();
  const std::size_t groups = columns / group_size;
  for (std::size_t g = 0; g < groups; ++g) {
    const Group& group = *reinterpret_cast<const Group*>(panel + g * sizeof(Group));
    __m512i sum[Rows][3];
    for (std::size_t v = 0; v < 3; ++v)
      for (std::size_t r = 0; r < Rows; ++r) sum[r][v] = _mm512_load_si512(group.starts + 16 * v);
#pragma GCC unroll 8
    for (std::size_t k = 0; k < group_size / 4; ++k) {
      __m512i weights[3];
      for (std::size_t v = 0; v < 3; ++v) weights[v] = _mm512_load_si512(group.weights[k][16 * v]);
#pragma GCC unroll 4
      for (std::size_t r = 0; r < Rows; ++r) {
        std::int32_t four;
        std::memcpy(&four, q + r * columns + g * group_size + 4 * k, 4);
        const __m512i lhs = _mm512_set1_epi32(four);
        for (std::size_t v = 0; v < 3; ++v) sum[r][v] = _mm512_dpbusd_epi32(sum[r][v], lhs, weights[v]);
      }
    }
    for (std::size_t r = 0; r < Rows; ++r) {
      const __m512 scale = _mm512_set1_ps(scales[r * groups + g]);
      for (std::size_t v = 0; v < 3; ++v)
        total[r][v] = _mm512_fmadd_ps(_mm512_cvtepi32_ps(sum[r][v]),
                                      _mm512_mul_ps(scale, _mm512_load_ps(group.scales + 16 * v)), total[r][v]);
    }
  }
  for (std::size_t r = 0; r < Rows; ++r)
    for (std::size_t v = 0; v < 3; ++v) _mm512_store_ps(sums + r * panel_columns + 16 * v, total[r][v]);
}

DIT_INT8 void quantise_group(const float* x, std::uint8_t* q, float* scale) {
  const __m512 low = _mm512_loadu_ps(x), high = _mm512_loadu_ps(x + 16);
  const float largest = _mm512_reduce_max_ps(_mm512_max_ps(_mm512_abs_ps(low), _mm512_abs_ps(high)));
  // A scale that is not finite makes a product that is not; the largest alone would hide NaN.
  const bool numbers = _mm512_cmp_ps_mask(low, high, _CMP_UNORD_Q) == 0;
  *scale = numbers ? largest / 127.f : std::numeric_limits<float>::quiet_NaN();
  const __m512 inverse = _mm512_set1_ps(largest > 0.f ? 127.f / largest : 0.f);
  const __m512i middle = _mm512_set1_epi32(128);
  const auto bytes = [&](__m512 values) DIT_INT8 {
    return _mm512_cvtepi32_epi8(_mm512_add_epi32(_mm512_cvtps_epi32(_mm512_mul_ps(values, inverse)), middle));
  };
  _mm_storeu_si128(reinterpret_cast<__m128i*>(q), bytes(low));
  _mm_storeu_si128(reinterpret_cast<__m128i*>(q + 16), bytes(high));
}

}  // namespace

bool int8_usable() noexcept {
  return __builtin_cpu_supports("avx512vnni") && __builtin_cpu_supports("avx512bw") &&
         __builtin_cpu_supports("avx512vl");
}
#elif defined(__aarch64__) && defined(__linux__)
namespace {

#define DIT_INT8 __attribute__((target("arch=armv8.2-a+dotprod")))

// Registers: 16 sums of integers, 4 columns, 4 rows of 32. The sums of floats stay in memory, for 128 products each.
constexpr std::size_t int8_tile_rows = 4;

/// Four of K, that quarter of the 16 that a register has, for 16 columns.
template <int Quarter, std::size_t Rows>
[[gnu::always_inline]] DIT_INT8 inline void multiply_four(const std::int8_t (*weights)[4], const int8x16_t (&lhs)[Rows],
                                                          int32x4_t (&sum)[Rows][4]) {
#pragma GCC unroll 4
  for (std::size_t v = 0; v < 4; ++v) {
    const int8x16_t columns = vld1q_s8(weights[4 * v]);
#pragma GCC unroll 4
    for (std::size_t r = 0; r < Rows; ++r) sum[r][v] = vdotq_laneq_s32(sum[r][v], columns, lhs[r], Quarter);
  }
}

template <std::size_t Rows>
DIT_INT8 void int8_tile(const std::uint8_t* q, const float* scales, std::size_t columns, const std::byte* panel,
                        float* sums) {
  std::fill_n(sums, Rows * panel_columns, 0.f);
  const std::size_t groups = columns / group_size;
  for (std::size_t g = 0; g < groups; ++g) {
    const Group& group = *reinterpret_cast<const Group*>(panel + g * sizeof(Group));
    int8x16_t lhs[2][Rows];
    for (std::size_t half = 0; half < 2; ++half)
      for (std::size_t r = 0; r < Rows; ++r)
        lhs[half][r] = vreinterpretq_s8_u8(
            veorq_u8(vld1q_u8(q + r * columns + g * group_size + 16 * half), vdupq_n_u8(128)));  // q + 128 back to q
    for (std::size_t column = 0; column < panel_columns; column += 16) {
      int32x4_t sum[Rows][4] = {};
#pragma GCC unroll 2
      for (std::size_t half = 0; half < 2; ++half) {
        multiply_four<0, Rows>(group.weights[4 * half] + column, lhs[half], sum);
        multiply_four<1, Rows>(group.weights[4 * half + 1] + column, lhs[half], sum);
        multiply_four<2, Rows>(group.weights[4 * half + 2] + column, lhs[half], sum);
        multiply_four<3, Rows>(group.weights[4 * half + 3] + column, lhs[half], sum);
      }
      for (std::size_t r = 0; r < Rows; ++r)
        for (std::size_t v = 0; v < 4; ++v) {
          float* total = sums + r * panel_columns + column + 4 * v;
          const float32x4_t scale = vmulq_n_f32(vld1q_f32(group.scales + column + 4 * v), scales[r * groups + g]);
          vst1q_f32(total, vfmaq_f32(vld1q_f32(total), vcvtq_f32_s32(sum[r][v]), scale));
        }
    }
  }
}

DIT_INT8 void quantise_group(const float* x, std::uint8_t* q, float* scale) {
  float32x4_t values[8], most = vdupq_n_f32(0.f);
  for (std::size_t i = 0; i < 8; ++i) {
    values[i] = vld1q_f32(x + 4 * i);
    most = vmaxq_f32(most, vabsq_f32(values[i]));
  }
  // NaN where any value is: this maximum keeps it. A scale that is not finite makes a product that is not.
  const float largest = vmaxvq_f32(most);
  *scale = largest / 127.f;
  const float inverse = largest > 0.f ? 127.f / largest : 0.f;
  const auto integers = [&](std::size_t i)
                            DIT_INT8 { return vmovn_s32(vcvtnq_s32_f32(vmulq_n_f32(values[i], inverse))); };
  for (std::size_t i = 0; i < 8; i += 4) {
    const int8x16_t bytes = vcombine_s8(vmovn_s16(vcombine_s16(integers(i), integers(i + 1))),
                                        vmovn_s16(vcombine_s16(integers(i + 2), integers(i + 3))));
    vst1q_u8(q + 4 * i, veorq_u8(vreinterpretq_u8_s8(bytes), vdupq_n_u8(128)));
  }
}

}  // namespace

bool int8_usable() noexcept { return (getauxval(AT_HWCAP) & HWCAP_ASIMDDP) != 0; }
#endif

#ifdef DIT_INT8
void quantise_rows(const float* x, std::size_t rows, std::size_t columns, std::uint8_t* q, float* scales) noexcept {
  for (std::size_t i = 0; i < rows * columns; i += group_size) quantise_group(x + i, q + i, scales + i / group_size);
}

void int8_block(const std::uint8_t* q, const float* scales, std::size_t rows, std::size_t columns,
                const std::byte* panel, float* sums) noexcept {
  constexpr decltype(&int8_tile<1>) tiles[] = {int8_tile<1>, int8_tile<2>, int8_tile<3>, int8_tile<4>};
  for (std::size_t row = 0; row < rows; row += int8_tile_rows)
    tiles[std::min(rows - row, int8_tile_rows) - 1](q + row * columns, scales + row * (columns / group_size), columns,
                                                    panel, sums + row * panel_columns);
}

#undef DIT_INT8
#else

bool int8_usable() noexcept { return false; }
// Never called where int8_usable() is false.
void quantise_rows(const float*, std::size_t, std::size_t, std::uint8_t*, float*) noexcept { std::abort(); }
void int8_block(const std::uint8_t*, const float*, std::size_t, std::size_t, const std::byte*, float*) noexcept {
  std::abort();
}
#endif

}  // namespace dit::cpu
