// SPDX-License-Identifier: MIT
// Scalar f64 twins of every op: the oracle. Written for reading, not for speed. Shapes are those of
// engine/network/recorder.h.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "engine/executor.h"

namespace dit::reference {

using Values = std::vector<double>;

/// A modulation table [M, columns] and the row of it that each row of the batch reads.
struct Table {
  const Values& values;
  std::size_t columns;
  const std::vector<std::uint32_t>& rows;  // [R]
  double at(std::size_t row, std::size_t column) const { return values[rows[row] * columns + column]; }
};

/// y[m,o] = Σᵢ x[m,i]·w[o,i] + bias[o]; an empty bias is none.
Values linear(const Values& x, const Values& w, const Values& bias, std::size_t in, std::size_t out);

/// Norm over the last `dim` values of each row, no affine.
Values norm(const Values& x, std::size_t dim, const Norm& kind);

/// x·(1 + scale) + shift. x [R,T,D].
Values modulate(const Values& x, const Table& table, const op::Modulation& m, std::size_t dim);

/// Windows of image row r mod B, zero outside the image: [R,T,C·V·V].
Values patchify(const Values& x, const Shape& image, std::size_t rows, std::size_t patch, std::size_t window);

/// The way back: [R,T,C·V·V] to image [R,C,H,W], windows added up where they overlap.
Values unpatchify(const Values& windows, const Shape& image, std::size_t patch, std::size_t window);

/// Root-mean-square norm over each run of weight.size() values, times weight.
Values rms_norm(const Values& x, const Values& weight, double eps);

/// Keys and values of prompts [K,L,2·D], and the prompt that each row of the batch reads. No values: none.
struct Prompts {
  const Values& values;
  std::size_t length;               // L
  std::vector<std::uint32_t> rows;  // [R], below K
};

/// softmax(q kᵀ/√d) v over the T keys of qkv [R,T,3·D] and then those of the prompt; empty norm weights are none.
struct AttentionArguments {
  const Values& qkv;
  const Values& q_norm;
  const Values& k_norm;
  double eps;
  std::size_t rows, tokens, heads, head_dim;
  Prompts prompts;
};
Values attention(const AttentionArguments& a);

/// Convolution of 3×3 with zeros around: z [R,I,H,W], w [O,I,3,3], an empty bias is none.
Values conv(const Values& z, const Values& w, const Values& bias, const Shape& image, std::size_t out);

/// residual += gate · y, gate per batch row and channel, 1 where there is none.
void gated_add(Values& residual, const Values& y, const Table& table, const op::Modulation& m, std::size_t dim);

double activate(double x, Activation activation);

/// One solver step of icon b; see op::Combine. `history` is [4,B,pixels].
struct CombineArguments {
  const Values& prediction;
  bool guided;
  std::size_t batch, icon, step;
  SolverRow row;
  std::function<double(std::size_t element)> noise;
};
void combine(const CombineArguments& a, Values& x, Values& history);

/// Bytes as doubles, [B,H,W,4].
Values to_rgba(const Values& x, const Shape& image, bool premultiplied, Rounding rounding);

}  // namespace dit::reference
