// SPDX-License-Identifier: MIT
// Second pass: how each tensor of a program lies in memory, and what groups keep between them. Knows no Vulkan.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "engine/vulkan/compile/fuse.h"

namespace dit::vulkan {

/// What passes from one kernel call to the next besides the program's tensors, in bytes.
struct Scratch {
  std::uint64_t lhs = 0;        ///< left sides that a group of their own makes
  std::uint64_t rows = 0;       ///< products before they are added or overlapped
  std::uint64_t row_stats = 0;  ///< Region::row_stats of the plain kernels
  std::uint64_t windows = 0;    ///< Region::windows of the plain kernels; 0 where windows do not overlap
  std::uint64_t prepared = 0;   ///< Region::prepared: what plain kernels prepare and the fused ones hold otherwise
};

struct Layouts {
  std::vector<TensorLayout> tensors;  ///< indexed by TensorId
  Scratch scratch;
};

/// errors  unsupported, naming the op that the fused kernels do not serve
Layouts lay_out(const Program& program, const FusedProgram& fused, const Target& target);

}  // namespace dit::vulkan
