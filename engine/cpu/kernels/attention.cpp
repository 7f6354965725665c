// SPDX-License-Identifier: MIT
// Attention, one head at a time (Vaswani et al. 2017, eq. 1): keys and values of a head are packed once into the
// thread's scratch, then blocks of queries pass over them with all scores in cache.
#include "engine/cpu/kernels/attention.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "engine/cpu/memory.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "engine/cpu/kernels/attention.cpp"
#include <hwy/foreach_target.h>

#include "engine/cpu/kernels/simd-inl.h"

HWY_BEFORE_NAMESPACE();
namespace dit::cpu::HWY_NAMESPACE {

// Rows are treated in phases, eight at a time: a phase has eight independent chains, so that no reduction, root or
// division is waited for.

/// inverse[r] = factor/√(mean(x²)+eps) of each row.
HWY_INLINE void inverse_norms(const float* HWY_RESTRICT x, std::size_t stride, std::size_t rows, std::size_t dim,
                              float eps, float factor, float* HWY_RESTRICT inverse) {
  alignas(64) float part[block_rows][16] = {};
  const std::size_t whole = dim / 16 * 16;
  for (std::size_t r = 0; r < rows; ++r) {
    const float* row = x + r * stride;
    for (std::size_t start = 0; start < 16; start += vector_floats) {
      V total = hn::Zero(tag);
      for (std::size_t i = start; i < whole; i += 16) {
        const V value = hn::LoadU(tag, row + i);
        total = hn::MulAdd(value, value, total);
      }
      hn::Store(total, tag, part[r] + start);
    }
    for (std::size_t i = whole; i < dim; ++i) part[r][i % 16] += row[i] * row[i];
  }
  for (std::size_t r = 0; r < rows; ++r)
    inverse[r] = factor / std::sqrt(sum_of_16(part[r]) / static_cast<float>(dim) + eps);
}

/// y = x·weight·factor/√(mean(x²)+eps), or x·factor without a weight; up to eight rows.
HWY_INLINE void norm_heads(const float* HWY_RESTRICT x, std::size_t x_stride, const float* HWY_RESTRICT weight,
                           float eps, float factor, std::size_t rows, std::size_t dim, float* HWY_RESTRICT y,
                           std::size_t y_stride) {
  float inverse[block_rows];
  if (weight) inverse_norms(x, x_stride, rows, dim, eps, factor, inverse);
  const std::size_t whole = dim / vector_floats * vector_floats;
  for (std::size_t r = 0; r < rows; ++r, x += x_stride, y += y_stride) {
    const V scale = hn::Set(tag, weight ? inverse[r] : factor);
    for (std::size_t i = 0; i < whole; i += vector_floats) {
      V value = hn::LoadU(tag, x + i);
      if (weight) value = hn::Mul(value, hn::LoadU(tag, weight + i));
      hn::Store(hn::Mul(value, scale), tag, y + i);
    }
    for (std::size_t i = whole; i < dim; ++i)
      y[i] = (weight ? x[i] * weight[i] : x[i]) * (weight ? inverse[r] : factor);
  }
}

/// columns [dim,·] = rows [count ≤ 8, dim] turned.
HWY_INLINE void turn(const float* HWY_RESTRICT rows, std::size_t stride, std::size_t count, std::size_t dim,
                     float* HWY_RESTRICT columns, std::size_t column_stride) {
  std::size_t first = 0, whole = 0;
#if HWY_TARGET != HWY_SCALAR
  const hn::Full128<float> four;
  const hn::Full128<double> two;
  const auto pair = [&](auto a) { return hn::BitCast(two, a); };
  whole = dim / 4 * 4;
  for (; first + 4 <= count; first += 4) {
    const float* in = rows + first * stride;
    for (std::size_t i = 0; i < whole; i += 4) {
      const auto a = hn::Load(four, in + i), b = hn::Load(four, in + stride + i);
      const auto c = hn::Load(four, in + 2 * stride + i), d = hn::Load(four, in + 3 * stride + i);
      const auto ab = pair(hn::InterleaveLower(four, a, b)), cd = pair(hn::InterleaveLower(four, c, d));
      const auto above = pair(hn::InterleaveUpper(four, a, b)), cd_above = pair(hn::InterleaveUpper(four, c, d));
      float* out = columns + i * column_stride + first;
      // Keys of a prompt begin at any column.
      hn::StoreU(hn::BitCast(four, hn::InterleaveLower(two, ab, cd)), four, out);
      hn::StoreU(hn::BitCast(four, hn::InterleaveUpper(two, ab, cd)), four, out + column_stride);
      hn::StoreU(hn::BitCast(four, hn::InterleaveLower(two, above, cd_above)), four, out + 2 * column_stride);
      hn::StoreU(hn::BitCast(four, hn::InterleaveUpper(two, above, cd_above)), four, out + 3 * column_stride);
    }
  }
#endif
  for (std::size_t t = 0; t < count; ++t)
    for (std::size_t i = t < first ? whole : 0; i < dim; ++i) columns[i * column_stride + t] = rows[t * stride + i];
}

/// Scores -> exp(score − largest) in place, and inverse = 1/Σ of each row. Columns from `count` to the next multiple of
/// 16 become next to nothing, 1e-38.
HWY_INLINE void softmax_rows(float* HWY_RESTRICT scores, std::size_t stride, std::size_t rows, std::size_t count,
                             float* HWY_RESTRICT inverse) {
  const std::size_t padded = round_to_line(count);
  const float lowest = -std::numeric_limits<float>::infinity();
  alignas(64) float part[block_rows][16];
  float largest[block_rows];
  for (std::size_t r = 0; r < rows; ++r) {
    float* row = scores + r * stride;
    // Padding must not be the largest score.
    for (std::size_t i = count; i < padded; ++i) row[i] = lowest;
    V most = hn::Set(tag, lowest);
    for (std::size_t i = 0; i < padded; i += vector_floats) most = hn::Max(most, hn::Load(tag, row + i));
    largest[r] = hn::GetLane(hn::MaxOfLanes(tag, most));
  }
  for (std::size_t r = 0; r < rows; ++r) {
    float* row = scores + r * stride;
    const V most = hn::Set(tag, largest[r]);
    for (std::size_t start = 0; start < 16; start += vector_floats) {
      V total = hn::Zero(tag);
      for (std::size_t i = start; i < padded; i += 16) {
        const V e = exp(hn::Sub(hn::Load(tag, row + i), most));
        hn::Store(e, tag, row + i);
        total = hn::Add(total, e);
      }
      hn::Store(total, tag, part[r] + start);
    }
  }
  for (std::size_t r = 0; r < rows; ++r) inverse[r] = 1.f / sum_of_16(part[r]);
}

/// A thread's scratch, cut up; every row starts on a cache line.
struct Scratch {
  Scratch(const Attention& attention, float* all)
      : key_stride(round_to_line(attention.keys())),
        value_stride(round_to_line(attention.head_dim)),
        keys(all),
        values(keys + attention.head_dim * key_stride),
        queries(values + attention.keys() * value_stride),
        scores(queries + block_rows * value_stride),
        out(scores + block_rows * key_stride) {}
  std::size_t key_stride, value_stride;
  float* keys;     // [D,T+L]
  float* values;   // [T+L,D]
  float* queries;  // [block,D]; keys pass through on their way
  float* scores;   // [block,T+L]
  float* out;      // [block,D]
};

/// Keys and values of one head.
struct KeysAndValues {
  const float* keys;
  const float* values;
  std::size_t stride;
  std::size_t count;
  const float* k_norm;
};

/// To columns `first`, first + 1 … of the scratch.
HWY_INLINE void pack(const Attention& attention, const KeysAndValues& from, std::size_t first, const Scratch& scratch) {
  const std::size_t dim = attention.head_dim;
  for (std::size_t t = 0; t < from.count; t += block_rows) {
    const std::size_t some = std::min(block_rows, from.count - t);
    norm_heads(from.keys + t * from.stride, from.stride, from.k_norm, attention.norm_eps, 1.f, some, dim,
               scratch.queries, scratch.value_stride);
    turn(scratch.queries, scratch.value_stride, some, dim, scratch.keys + first + t, scratch.key_stride);
    for (std::size_t i = 0; i < some; ++i)
      std::memcpy(scratch.values + (first + t + i) * scratch.value_stride, from.values + (t + i) * from.stride,
                  dim * sizeof(float));
  }
}

/// All keys and values of a head of batch row `row`, whose part of the first token is at qkv.
HWY_INLINE void pack_head(const Attention& attention, const float* qkv, std::size_t row, std::size_t head,
                          const Scratch& scratch) {
  const std::size_t width = attention.heads * attention.head_dim;
  pack(attention, {qkv + width, qkv + 2 * width, 3 * width, attention.tokens, attention.k_norm}, 0, scratch);
  if (attention.context == nullptr) return;
  const std::size_t condition = attention.condition[row] % attention.conditions;
  const float* k = attention.context + condition * attention.context_rows * 2 * width + head * attention.head_dim;
  pack(attention, {k, k + width, 2 * width, attention.context_rows, nullptr}, attention.tokens, scratch);
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
    if (unit == first || block == 0) pack_head(attention, qkv, row, head % attention.heads, scratch);
    const std::size_t query = block * block_rows;
    const std::size_t some = std::min(block_rows, attention.tokens - query);
    norm_heads(qkv + query * 3 * width, 3 * width, attention.q_norm, attention.norm_eps, scale, some, dim,
               scratch.queries, scratch.value_stride);
    multiply(scratch.queries, scratch.value_stride, some, scratch.keys, scratch.key_stride, scratch.key_stride, dim,
             scratch.scores, scratch.key_stride);
    float inverse[block_rows];
    softmax_rows(scratch.scores, scratch.key_stride, some, attention.keys(), inverse);
    multiply(scratch.scores, scratch.key_stride, some, scratch.values, scratch.value_stride, scratch.value_stride,
             attention.keys(), scratch.out, scratch.value_stride);
    for (std::size_t i = 0; i < some; ++i) {
      const float* out = scratch.out + i * scratch.value_stride;
      float* y = attention.y + (row * attention.tokens + query + i) * width + head % attention.heads * dim;
      for (std::size_t j = 0; j < dim; ++j) y[j] = out[j] * inverse[i];
    }
  }
}

void head_norm_units(const HeadNorm& norm, std::size_t first, std::size_t last, float* scratch) {
  const std::size_t dim = norm.head_dim, stride = round_to_line(dim);
  for (std::size_t row = first; row < last; ++row) {
    for (std::size_t head = 0; head < norm.heads; head += block_rows) {
      const std::size_t some = std::min(block_rows, norm.heads - head);
      float* x = norm.x + row * norm.columns + head * dim;
      norm_heads(x, dim, norm.weight, norm.norm_eps, 1.f, some, dim, scratch, stride);
      for (std::size_t i = 0; i < some; ++i) std::memcpy(x + i * dim, scratch + i * stride, dim * sizeof(float));
    }
  }
}

}  // namespace dit::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace dit::cpu {
namespace {
HWY_EXPORT(attention_units);
HWY_EXPORT(head_norm_units);
}  // namespace

std::size_t Attention::scratch() const noexcept {
  const std::size_t t = round_to_line(keys()), d = round_to_line(head_dim);
  return head_dim * t + keys() * d + block_rows * (d + t + d);
}

void attention(const Attention& attention, std::size_t first, std::size_t last, float* scratch) noexcept {
  HWY_DYNAMIC_DISPATCH(attention_units)(attention, first, last, scratch);
}

std::size_t HeadNorm::scratch() const noexcept { return block_rows * round_to_line(head_dim); }

void head_norm(const HeadNorm& norm, std::size_t first, std::size_t last, float* scratch) noexcept {
  HWY_DYNAMIC_DISPATCH(head_norm_units)(norm, first, last, scratch);
}

}  // namespace dit::cpu
#endif
