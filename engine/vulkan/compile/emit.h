// SPDX-License-Identifier: MIT
// Fourth pass: kernel calls. Every group becomes a stage, the fields that shaders/common/stage.h describes, and its
// calls. Knows no Vulkan.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "engine/vulkan/compile/emission/packing.h"
#include "engine/vulkan/compile/kernel_call.h"
#include "engine/vulkan/compile/tile.h"

namespace dit::vulkan {

/// Where things lie, in quads of 16 bytes from the start of the arena, and what the plain kernels read.
struct Places {
  std::function<std::uint32_t(TensorId)> tensor;
  std::uint32_t lhs_scratch = 0, row_scratch = 0, prepared = 0;
  std::uint32_t sketches = 0;       ///< Region::sketches, where the program has such
  std::vector<DType> weight_types;  ///< of each tensor, for the plain kernels; f32 for activations
};

struct EmittedProgram {
  std::vector<std::vector<KernelCall>> calls;  ///< of each group, in order; none where one dispatch does all
  std::optional<KernelCall> persistent;        ///< that dispatch
  std::vector<params::Stage> stages;           ///< of each group; none for the plain kernels
  PackingList packing{false, FragmentOrder::by_row};
};

/// errors  unsupported: sizes beyond what a kernel serves, or more variants than the persistent kernel has
EmittedProgram emit(const Program& program, const Layouts& layouts, const TiledProgram& tiled, const Target& target,
                    const Places& places);

/// The calls of each op of Program::prepare, by the plain kernels; where the fused ones hold the result as fragments,
/// these are made of it after each op that changes it.
/// errors  unsupported: sizes beyond what a kernel serves
std::vector<std::vector<KernelCall>> emit_prepare(const Program& program, const Layouts& layouts, const Target& target,
                                                  const Places& places);

/// All of them, those of `prepare` too. They point into both.
std::vector<const KernelCall*> calls_of(const EmittedProgram& emitted,
                                        const std::vector<std::vector<KernelCall>>& prepare);

}  // namespace dit::vulkan
