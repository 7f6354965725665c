// SPDX-License-Identifier: MIT
// The C++ side of shaders/fused/constants.glsl.
#include <algorithm>
#include <cstring>

#include "engine/vulkan/compile/stages.h"

namespace dit::vulkan {
namespace {

/// What of a stage changes from layer to layer, with the batch or with the plan; see stage_constants.glsl.
params::StagePush moving_part(const params::Stage& s) {
  return {.step = 0,
          .tiles = s.tiles,
          .row_fragments = s.row_fragments,
          .rows = s.rows,
          .batch = s.batch,
          .a = s.a,
          .y = s.y,
          .weight = s.weight,
          .bias = s.bias,
          .position = s.position,
          .qk_weight = s.qk_weight,
          .table = s.table,
          .shift = s.shift,
          .scale = s.scale,
          .gate = s.gate,
          .image = s.image,
          .history = s.history,
          .normed = s.normed};
}

}  // namespace

std::vector<std::uint32_t> push_constants(const params::Stage& stage) {
  const params::StagePush push = moving_part(stage);
  std::vector<std::uint32_t> words(sizeof(push) / 4);
  std::memcpy(words.data(), &push, sizeof(push));
  return words;
}

std::vector<std::uint32_t> fixed_words(const params::Stage& stage) {
  // Alike for all stages of a kind, so that they share a pipeline; of the places only whether there is one.
  params::Stage fixed = stage;
  for (auto const field :
       {&params::Stage::tiles, &params::Stage::row_fragments, &params::Stage::rows, &params::Stage::batch,
        &params::Stage::a, &params::Stage::y, &params::Stage::weight, &params::Stage::bias, &params::Stage::position,
        &params::Stage::qk_weight, &params::Stage::table, &params::Stage::shift, &params::Stage::scale,
        &params::Stage::gate, &params::Stage::image, &params::Stage::history, &params::Stage::normed,
        &params::Stage::variant}) {
    if (fixed.*field != NO_PLACE) fixed.*field = 0;
  }
  std::vector<std::uint32_t> words(STAGE_WORDS);
  std::memcpy(words.data(), &fixed, sizeof(fixed));
  return words;
}

std::vector<std::uint32_t> specialization_constants(const StagedWork& work, const StageOptions& options) {
  const Tile& tile = work.tile;
  const std::uint32_t invocations = work.invocations ? work.invocations : options.invocations;
  std::vector<std::uint32_t> constants = {
      invocations, tile.down,   tile.across,    tile.ahead, work.tile_quads, std::max(work.tile_floats, invocations),
      tile.chunk,  tile.rows(), tile.columns(), tile.slots, work.held};
  if (options.matrix()) {
    constants = lane_constants({&work, 1});
    constants[0] = invocations;
  }
  constants.resize(STAGE_CONSTANTS);
  const std::vector<std::uint32_t> words = fixed_words(work.stage);
  constants.insert(constants.end(), words.begin(), words.end());
  return constants;
}

}  // namespace dit::vulkan
