// SPDX-License-Identifier: MIT
// Attention. Units [first, last) of the work: any split gives the same bits.
#pragma once

#include <cstddef>
#include <cstdint>

#include "engine/cpu/kernels/rows.h"

namespace dit::cpu {

/// y = softmax(q kᵀ/√D) v per head; see op::Attention. A unit is `block_rows` queries of one head of one batch row.
struct Attention {
  const float* qkv = nullptr;     ///< [R,T,3,N,D]
  const float* q_norm = nullptr;  ///< [D] or null
  const float* k_norm = nullptr;  ///< [D] or null
  float norm_eps = 0;
  std::size_t rows = 0, tokens = 0, heads = 0, head_dim = 0;
  float* y = nullptr;                        ///< [R,T,N,D]
  const float* context = nullptr;            ///< [K,L,2,N,D], or null; follows the T keys of qkv, and is not normed
  std::size_t context_rows = 0;              ///< L
  std::size_t conditions = 1;                ///< K
  const std::uint32_t* condition = nullptr;  ///< [R]: row r reads context condition[r] mod K

  std::size_t keys() const noexcept { return tokens + context_rows; }

  std::size_t blocks() const noexcept { return (tokens + block_rows - 1) / block_rows; }
  std::size_t units() const noexcept { return rows * heads * blocks(); }
  /// Floats of scratch that each thread needs.
  std::size_t scratch() const noexcept;
};
void attention(const Attention& attention, std::size_t first, std::size_t last, float* scratch) noexcept;

/// See op::HeadNorm. A unit is a row.
struct HeadNorm {
  float* x = nullptr;             ///< [M,columns], in place
  const float* weight = nullptr;  ///< [D]
  float norm_eps = 0;
  std::size_t columns = 0, heads = 0, head_dim = 0;

  /// Floats of scratch that each thread needs.
  std::size_t scratch() const noexcept;
};
void head_norm(const HeadNorm& norm, std::size_t first, std::size_t last, float* scratch) noexcept;

}  // namespace dit::cpu
