// SPDX-License-Identifier: MIT
// The C++ side of shaders/fused/constants.glsl.
#include <algorithm>
#include <cstring>

#include "engine/vulkan/compile/stages.h"

namespace dit::vulkan {

#define NO_FIELD(word, name)

std::vector<std::uint32_t> push_constants(const params::Stage& stage) {
#define FIELD(word, name) .name = stage.name,
  const params::StagePush push = {.step = 0, STAGE_FIELDS(NO_FIELD, NO_FIELD, FIELD)};
#undef FIELD
  std::vector<std::uint32_t> words(sizeof(push) / 4);
  std::memcpy(words.data(), &push, sizeof(push));
  return words;
}

std::vector<std::uint32_t> fixed_words(const params::Stage& stage) {
  // Alike for all stages of a kind, so that they share a pipeline; of the places only whether there is one.
  params::Stage fixed = stage;
#define FIELD(word, name) \
  if (fixed.name != NO_PLACE) fixed.name = 0;
  STAGE_FIELDS(NO_FIELD, NO_FIELD, FIELD)
#undef FIELD
  std::vector<std::uint32_t> words(STAGE_WORDS);
  std::memcpy(words.data(), &fixed, sizeof(fixed));
  return words;
}

#undef NO_FIELD

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
