// SPDX-License-Identifier: MIT
// Which tensors a favicon diffusor has, and which way round its matrices lie.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "engine/model/weights.h"

namespace dit::wts1 {

enum class Size : std::uint8_t { dim, pixels, attention, mlp, condition, time };
inline constexpr std::size_t size_count = 6;

/// One matrix: its key in the file, and what its outputs and inputs are.
struct Role {
  std::string key;
  Size out, in;
};

/// A matrix of ours: matrices of theirs one below the other.
struct Stack {
  std::string name;
  std::vector<Role> parts;
};

/// Blocks in the file.
std::uint32_t depth_of(const Weights& tensors);
/// Every matrix of the network.
std::vector<Stack> stacks_of(std::uint32_t depth);

/// The layout of a file's matrices and the sizes that they imply.
class Layout {
 public:
  /// errors  wrong_format: a tensor missing, unknown or not of the others' sizes; a mix of layouts, or square tensors
  /// only
  Layout(const Weights& tensors, const std::string& file);

  /// Whether matrices are [in,out].
  bool transposed() const { return transposed_; }
  std::uint32_t size(Size which) const { return sizes_[static_cast<std::size_t>(which)]; }
  const std::vector<Stack>& stacks() const { return stacks_; }

 private:
  struct Matrix {
    Role role;
    std::uint32_t rows, columns;
    bool has(std::uint32_t size) const { return rows == size || columns == size; }
    bool serves(Size size) const { return role.out == size || role.in == size; }
  };

  void collect(const Weights& tensors);
  void find_dim();
  void vote();
  void measure();
  std::uint32_t& size(Size which) { return sizes_[static_cast<std::size_t>(which)]; }

  std::string file_;
  std::vector<Stack> stacks_;
  std::vector<Matrix> matrices_;
  std::array<std::uint32_t, size_count> sizes_{};
  bool transposed_ = false;
};

}  // namespace dit::wts1
