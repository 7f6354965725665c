// SPDX-License-Identifier: MIT
// Attention, one head at a time (Vaswani et al. 2017, eq. 1): keys and values of a head are packed once into the
// thread's scratch, then blocks of queries pass over them with all scores in cache.
#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "engine/cpu/kernels.h"
#include "engine/cpu/memory.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "engine/cpu/attention.cpp"
#include <hwy/foreach_target.h>

#include "engine/cpu/simd-inl.h"

HWY_BEFORE_NAMESPACE();
namespace dit::cpu::HWY_NAMESPACE {

/// y = x·weight·factor/√(mean(x²)+eps), or x·factor without a weight.
HWY_INLINE void norm_head(const float* HWY_RESTRICT x, const float* HWY_RESTRICT weight, float eps, float factor,
                          std::size_t dim, float* HWY_RESTRICT y) {
  if (!weight) {
    for (std::size_t i = 0; i < dim; ++i) y[i] = x[i] * factor;
    return;
  }
  alignas(64) float part[16] = {};
  const std::size_t whole = dim / 16 * 16;
  for (std::size_t lane = 0; lane < 16; lane += lanes) {
    V total = hn::Zero(tag);
    for (std::size_t i = lane; i < whole; i += 16) {
      const V value = hn::LoadU(tag, x + i);
      total = hn::MulAdd(value, value, total);
    }
    hn::Store(total, tag, part + lane);
  }
  for (std::size_t i = whole; i < dim; ++i) part[i % 16] += x[i] * x[i];
  const float inverse = factor / std::sqrt(sum_of_16(part) / static_cast<float>(dim) + eps);
  for (std::size_t i = 0; i < dim; ++i) y[i] = x[i] * weight[i] * inverse;
}

/// Scores -> exp(score − largest), and 1/Σ. Columns from `count` to the next multiple of 16 become 0.
HWY_INLINE float softmax_row(float* HWY_RESTRICT scores, std::size_t count) {
  const std::size_t padded = round_to_line(count);
  const float lowest = -std::numeric_limits<float>::infinity();
  alignas(64) float part[16];
  // Padding must not be the largest score.
  for (std::size_t i = count; i < padded; ++i) scores[i] = lowest;
  V largest_lanes = hn::Set(tag, lowest);
  for (std::size_t i = 0; i < padded; i += lanes) largest_lanes = hn::Max(largest_lanes, hn::Load(tag, scores + i));
  const V largest = hn::MaxOfLanes(tag, largest_lanes);
  for (std::size_t lane = 0; lane < 16; lane += lanes) {
    V total = hn::Zero(tag);
    for (std::size_t i = lane; i < padded; i += 16) {
      const V e = exp(hn::Sub(hn::Load(tag, scores + i), largest));
      hn::Store(e, tag, scores + i);
      total = hn::Add(total, e);
    }
    hn::Store(total, tag, part + lane);
  }
  return sum_of_16(part);
}

/// A thread's scratch, cut up; every row starts on a cache line.
struct Scratch {
  Scratch(const Attention& attention, float* all)
      : key_stride(round_to_line(attention.tokens)),
        value_stride(round_to_line(attention.head_dim)),
        keys(all),
        values(keys + attention.head_dim * key_stride),
        queries(values + attention.tokens * value_stride),
        scores(queries + block_rows * value_stride),
        out(scores + block_rows * key_stride),
        key(out + block_rows * value_stride) {}
  std::size_t key_stride, value_stride;
  float* keys;     // [D,T]
  float* values;   // [T,D]
  float* queries;  // [block,D]
  float* scores;   // [block,T]
  float* out;      // [block,D]
  float* key;      // [D]
};

HWY_INLINE void pack_head(const Attention& attention, const float* HWY_RESTRICT qkv, const Scratch& scratch) {
  const std::size_t dim = attention.head_dim;
  const std::size_t width = attention.heads * dim;
  for (std::size_t t = 0; t < attention.tokens; ++t, qkv += 3 * width) {
    norm_head(qkv + width, attention.k_norm, attention.norm_eps, 1.f, dim, scratch.key);
    for (std::size_t i = 0; i < dim; ++i) scratch.keys[i * scratch.key_stride + t] = scratch.key[i];
    std::memcpy(scratch.values + t * scratch.value_stride, qkv + 2 * width, dim * sizeof(float));
  }
}

void attention_units(const Attention& attention, std::size_t first, std::size_t last, float* all) {
  const Scratch scratch(attention, all);
  const std::size_t dim = attention.head_dim;
  const std::size_t width = attention.heads * dim;
  const std::size_t blocks = attention.blocks();
  const float scale = 1.f / std::sqrt(static_cast<float>(dim));
  for (std::size_t unit = first; unit < last; ++unit) {
    const std::size_t head = unit / blocks;
    const std::size_t block = unit % blocks;
    const std::size_t row = head / attention.heads;
    const float* qkv = attention.qkv + row * attention.tokens * 3 * width + head % attention.heads * dim;
    if (unit == first || block == 0) pack_head(attention, qkv, scratch);
    const std::size_t query = block * block_rows;
    const std::size_t some = std::min(block_rows, attention.tokens - query);
    for (std::size_t i = 0; i < some; ++i)
      norm_head(qkv + (query + i) * 3 * width, attention.q_norm, attention.norm_eps, scale, dim,
                scratch.queries + i * scratch.value_stride);
    multiply(scratch.queries, scratch.value_stride, some, scratch.keys, scratch.key_stride, scratch.key_stride, dim,
             scratch.scores, scratch.key_stride, false);
    float inverse[block_rows];
    for (std::size_t i = 0; i < some; ++i)
      inverse[i] = 1.f / softmax_row(scratch.scores + i * scratch.key_stride, attention.tokens);
    multiply(scratch.scores, scratch.key_stride, some, scratch.values, scratch.value_stride, scratch.value_stride,
             attention.tokens, scratch.out, scratch.value_stride, false);
    for (std::size_t i = 0; i < some; ++i) {
      const float* out = scratch.out + i * scratch.value_stride;
      float* y = attention.y + (row * attention.tokens + query + i) * width + head % attention.heads * dim;
      for (std::size_t j = 0; j < dim; ++j) y[j] = out[j] * inverse[i];
    }
  }
}

}  // namespace dit::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace dit::cpu {
namespace {
HWY_EXPORT(attention_units);
}  // namespace

std::size_t Attention::scratch() const noexcept {
  const std::size_t t = round_to_line(tokens), d = round_to_line(head_dim);
  return head_dim * t + tokens * d + block_rows * (d + t + d) + d;
}

void attention(const Attention& attention, std::size_t first, std::size_t last, float* scratch) noexcept {
  HWY_DYNAMIC_DISPATCH(attention_units)(attention, first, last, scratch);
}

}  // namespace dit::cpu
#endif
