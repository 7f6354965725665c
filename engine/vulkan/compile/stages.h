// SPDX-License-Identifier: MIT
// Program -> stages: the pieces of work of stage.comp and icon.comp, fused as far as asked. Knows no Vulkan.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "engine/executor.h"
#include "engine/vulkan/compile/packing.h"
#include "engine/vulkan/compile/tensor_layout.h"
#include "engine/vulkan/compile/tiles.h"
#include "shaders/common/stage.h"

namespace dit::vulkan {

struct StageOptions {
  Precision precision = Precision::f32;  ///< f32, f16 or f16_matrix
  Fusion fusion = Fusion::block;         ///< not automatic
  std::uint32_t invocations = 64;        ///< of a workgroup: a power of two, at least 64
  std::uint32_t shared_bytes = 16384;    ///< that a workgroup may use
  std::uint32_t processors = 8;          ///< workgroups that run at the same time, for the choice of tiles
  std::optional<Tile> forced = {};       ///< in place of the choice, where it can be; for benchmarks

  bool half() const { return precision != Precision::f32; }
  bool matrix() const { return precision == Precision::f16_matrix; }
  BlockOrder order() const { return matrix() ? BlockOrder::by_lane : BlockOrder::by_row; }
};

/// How each tensor of a program lies in memory, and what the stages keep between two of them.
struct StageLayouts {
  std::vector<TensorLayout> tensors;
  std::uint64_t left_bytes = 0;  ///< normed rows or windows, where a stage of their own makes them
  std::uint64_t rows_bytes = 0;  ///< products before they are added or overlapped
};

/// errors  unsupported, naming the op that the stages do not serve
StageLayouts stage_layouts(const Program& program, const StageOptions& options);

/// Where things lie, in quads of 16 bytes from the start of the arena.
struct StagePlaces {
  std::function<std::uint32_t(TensorId)> tensor;
  std::uint32_t left = 0, rows = 0;
};

struct StagedWork {
  params::Stage stage{};
  Tile tile;
  std::uint32_t tile_quads = 1, tile_floats = 1;  ///< of shared memory; on matrix hardware EXCHANGE of lanes.glsl
  std::uint32_t held = 4;                         ///< HELD of stage.glsl
  std::uint32_t invocations = 0;                  ///< of a workgroup; 0: as the options say
};

/// Stages first … last − 1 end with the op's output.
struct StagedOp {
  std::size_t op = 0;  ///< index in Program::step
  std::uint32_t first = 0, last = 0;
};

struct StagedProgram {
  std::vector<StagedWork> work;
  std::vector<StagedOp> ops;  ///< those whose output is in memory afterwards
  PackingList packing{false, BlockOrder::by_row};
};

/// What makes the pipeline of a stage: the constants of stage.glsl, then the stage itself but for what push_constants()
/// holds, so that stages of one kind share a pipeline.
std::vector<std::uint32_t> specialization_constants(const StagedWork& work, const StageOptions& options);
/// The constants of lanes.glsl for a kernel that runs all of `works`.
std::vector<std::uint32_t> lane_constants(std::span<const StagedWork> works);
/// Gives every stage the slot of icon_matrix.comp that has its constants, if it is of a kind that has slots; returns
/// one stage of each. errors  unsupported: more kinds than slots
std::vector<StagedWork> give_slots(StagedProgram& program, const StageOptions& options);
/// The part of a stage that is constant, word by word.
std::vector<std::uint32_t> fixed_words(const params::Stage& stage);
/// params::StagePush, its step 0.
std::vector<std::uint32_t> push_constants(const params::Stage& stage);

/// errors  unsupported
StagedProgram stage_program(const Program& program, const StageOptions& options, const StageLayouts& layouts,
                            const StagePlaces& places);

}  // namespace dit::vulkan
