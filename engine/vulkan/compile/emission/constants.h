// SPDX-License-Identifier: MIT
// A stage as the constants of a pipeline and the push constants of a call; the C++ side of
// shaders/fused/constants.glsl.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "engine/vulkan/compile/tile.h"

namespace dit::vulkan {

/// A group's sizes and its stage.
struct SizedStage {
  const TiledGroup& group;
  const params::Stage& stage;
};

/// What makes the pipeline of a stage: the constants of fragments.glsl, then the stage itself but for what
/// push_constants() holds, so that stages of one kind share a pipeline.
std::vector<std::uint32_t> specialization_constants(const TiledGroup& group, const params::Stage& stage,
                                                    const Target& target);
/// The same for the persistent kernel: one variant a stage.
std::vector<std::uint32_t> persistent_constants(std::span<const SizedStage> variants, const Target& target);
/// params::StagePush, its step 0.
std::vector<std::uint32_t> push_constants(const params::Stage& stage);

}  // namespace dit::vulkan
