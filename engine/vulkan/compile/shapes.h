// SPDX-License-Identifier: MIT
// The sizes of a program's products and attention, in fragments of 16. Letters as in engine/network/recorder.h.
#pragma once

#include <cstdint>
#include <vector>

#include "engine/network/recorder.h"
#include "engine/vulkan/compile/tensor_layout.h"

namespace dit::vulkan {

/// Columns of every tensor [R,T,columns] of a program's step, padded head by head where attention reads or writes it.
std::vector<ColumnGroups> column_groups(const Program& program);

/// A product of an op: [rows·tokens, depth] by the weight [columns, depth] transposed.
struct Product {
  std::uint32_t rows = 0, tokens = 0;
  TensorId weight = no_tensor, bias = no_tensor;
  ColumnGroups columns, depth;

  std::uint32_t row_fragments() const { return rows * fragments_of(tokens); }
};

/// The product of op `op` of the step, which must be one of those that multiply by a weight.
Product product_of(const Program& program, const std::vector<ColumnGroups>& columns, std::size_t op);

/// Attention of an op, for all heads.
struct AttentionShape {
  std::uint32_t rows = 0, tokens = 0, heads = 0, head_dim = 0;
  std::uint32_t prompt_keys = 0;  ///< behind those of the tokens, in fragments of their own

  std::uint32_t token_fragments() const { return fragments_of(tokens); }
  std::uint32_t keys() const { return tokens + prompt_keys; }
  std::uint32_t key_fragments() const { return fragments_of(tokens) + fragments_of(prompt_keys); }
  std::uint32_t head_fragments() const { return fragments_of(head_dim); }
  std::uint32_t row_fragments() const { return rows * token_fragments(); }
  /// Fragments of queries, keys or probabilities that a head needs at the same time.
  std::uint32_t wide_fragments() const;
  /// Floats of shared memory that the portable kernel needs for `group` heads at a time.
  std::uint32_t shared_floats(std::uint32_t group, std::uint32_t invocations) const;
};

AttentionShape attention_shape(const Program& program, const op::Attention& attention);

/// Op `at` of the step if it is of this type; null otherwise, and past the end.
template <typename Wanted>
const Wanted* op_at(const Program& program, std::size_t at) {
  return at < program.step.size() ? std::get_if<Wanted>(&program.step[at].what) : nullptr;
}

}  // namespace dit::vulkan
