// SPDX-License-Identifier: MIT
// Layer norm or RMS norm with the scale and shift of adaptive layer norm (Peebles & Xie 2022, arXiv 2212.09748, §3.2).
#include "engine/cpu/kernels/norm.h"

#include <array>
#include <cmath>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "engine/cpu/kernels/norm.cpp"
#include <hwy/foreach_target.h>

#include "engine/cpu/kernels/simd-inl.h"

HWY_BEFORE_NAMESPACE();
namespace dit::cpu::HWY_NAMESPACE {

/// Σ x, or Σ (x − mean)² when Squares.
template <bool Squares>
HWY_INLINE float sum(const float* HWY_RESTRICT x, std::size_t count, float mean) {
  alignas(64) float part[16];
  const V centre = hn::Set(tag, mean);
  const std::size_t whole = count / 16 * 16;
  for (std::size_t start = 0; start < 16; start += vector_floats) {
    V total = hn::Zero(tag);
    for (std::size_t i = start; i < whole; i += 16) {
      const V value = hn::LoadU(tag, x + i);
      if constexpr (Squares) {
        const V away = hn::Sub(value, centre);
        total = hn::MulAdd(away, away, total);
      } else {
        total = hn::Add(total, value);
      }
    }
    hn::Store(total, tag, part + start);
  }
  for (std::size_t i = whole; i < count; ++i) part[i % 16] += Squares ? (x[i] - mean) * (x[i] - mean) : x[i];
  return sum_of_16(part);
}

void norm_modulate_rows(const NormModulate& norm, std::size_t first, std::size_t last) {
  const std::size_t dim = norm.dim;
  const std::size_t whole = dim / vector_floats * vector_floats;
  const Norm kind = norm.kind;
  const bool centred = kind.type == Norm::Type::layer;
  const float count = static_cast<float>(dim);
  const float divisor = kind.unbiased ? count - 1.f : count;
  for (std::size_t row = first; row < last; ++row) {
    const float* HWY_RESTRICT x = norm.x + row * dim;
    const float* HWY_RESTRICT shift = norm.shift.at(row);
    const float* HWY_RESTRICT scale = norm.scale.at(row);
    float* HWY_RESTRICT y = norm.y + row * dim;
    const float mean = centred ? sum<false>(x, dim, 0.f) / count : 0.f;
    const float variance = sum<true>(x, dim, mean) / divisor;
    const float inverse = 1.f / (kind.eps_outside ? std::sqrt(variance) + kind.eps : std::sqrt(variance + kind.eps));
    const V one = hn::Set(tag, 1.f);
    for (std::size_t i = 0; i < whole; i += vector_floats) {
      const V unit = hn::Mul(hn::Sub(hn::LoadU(tag, x + i), hn::Set(tag, mean)), hn::Set(tag, inverse));
      const V scaled = hn::Mul(unit, hn::Add(one, hn::LoadU(tag, scale + i)));
      hn::StoreU(hn::Add(scaled, hn::LoadU(tag, shift + i)), tag, y + i);
    }
    for (std::size_t i = whole; i < dim; ++i) y[i] = (x[i] - mean) * inverse * (1.f + scale[i]) + shift[i];
  }
}

}  // namespace dit::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace dit::cpu {
namespace {
HWY_EXPORT(norm_modulate_rows);
}  // namespace

void norm_modulate(const NormModulate& norm, std::size_t first, std::size_t last) noexcept {
  HWY_DYNAMIC_DISPATCH(norm_modulate_rows)(norm, first, last);
}

}  // namespace dit::cpu
#endif
