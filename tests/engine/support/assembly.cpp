// SPDX-License-Identifier: MIT
#include "tests/engine/support/assembly.h"

#include <map>
#include <sstream>
#include <string_view>
#include <vector>

namespace dit::test {
namespace {

/// An instruction's name, and what stands behind it up to its encoding.
struct Instruction {
  std::string name, operands;
};

/// Instructions, and before which of them each label stands: "BB7:" alone, "<tab>s_cbranch_scc1 BB7   ; bf85…".
struct Listing {
  std::vector<Instruction> instructions;
  std::map<std::string, std::size_t> labels;
};

Listing listing_of(const std::string& assembly) {
  Listing listing;
  std::istringstream lines(assembly);
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with("BB")) listing.labels[line.substr(0, line.find(':'))] = listing.instructions.size();
    if (!line.starts_with('\t') && !line.starts_with("  ")) continue;
    std::istringstream words(line.substr(0, line.find(';')));
    Instruction instruction;
    words >> instruction.name;
    std::getline(words >> std::ws, instruction.operands);
    if (!instruction.name.empty()) listing.instructions.push_back(instruction);
  }
  return listing;
}

/// One of f32, or of halves with f32 sums; v_mad_u32_u24 is arithmetic on addresses.
bool multiplies_and_adds(std::string_view name) {
  return name.starts_with("v_fma_f32") || name.starts_with("v_fmac_f32") || name.starts_with("v_fma_mix_f32") ||
         name.starts_with("v_mac_f32") || name.starts_with("v_mad_f32") || name.starts_with("v_pk_fma") ||
         name.starts_with("v_dot2") || name.starts_with("v_dual_fmac");
}

InstructionCounts counts_of(const std::vector<Instruction>& instructions, std::size_t first, std::size_t last) {
  InstructionCounts counts;
  for (std::size_t i = first; i < last; ++i) {
    const std::string& name = instructions[i].name;
    ++counts.all;
    counts.multiply_adds += multiplies_and_adds(name);
    counts.shared += name.starts_with("ds_");
    counts.scratch += name.starts_with("scratch_");
  }
  return counts;
}

}  // namespace

InstructionCounts busiest_loop(const std::string& assembly) {
  const Listing listing = listing_of(assembly);
  struct Loop {
    std::size_t first, last;
  };
  std::vector<Loop> loops;
  for (std::size_t i = 0; i < listing.instructions.size(); ++i) {
    const Instruction& one = listing.instructions[i];
    if (!one.name.starts_with("s_cbranch") && !one.name.starts_with("s_branch")) continue;
    const auto label = listing.labels.find(one.operands.substr(0, one.operands.find_first_of(" \t")));
    if (label != listing.labels.end() && label->second <= i) loops.push_back({label->second, i + 1});
  }
  InstructionCounts busiest;
  for (const Loop& loop : loops) {
    bool innermost = true;
    for (const Loop& other : loops) {
      const bool within = other.first >= loop.first && other.last <= loop.last;
      innermost = innermost && !(within && (other.first != loop.first || other.last != loop.last));
    }
    const InstructionCounts counts = counts_of(listing.instructions, loop.first, loop.last);
    if (innermost && counts.multiply_adds > busiest.multiply_adds) busiest = counts;
  }
  return busiest;
}

}  // namespace dit::test
