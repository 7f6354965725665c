// SPDX-License-Identifier: MIT
// Counts of instructions in what RADV's compiler prints of a kernel for AMD.
#pragma once

#include <cstddef>
#include <string>

namespace dit::test {

struct InstructionCounts {
  std::size_t all = 0;
  std::size_t multiply_adds = 0;
  std::size_t shared = 0;   ///< reads and writes of shared memory
  std::size_t scratch = 0;  ///< of registers that were spilled

  double share() const { return all == 0 ? 0 : static_cast<double>(multiply_adds) / static_cast<double>(all); }
};

/// Of the loop without loops in it that multiplies and adds most often a turn. Empty where none does, or `assembly` is.
InstructionCounts busiest_loop(const std::string& assembly);

}  // namespace dit::test
