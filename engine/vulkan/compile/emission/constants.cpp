// SPDX-License-Identifier: MIT
#include "engine/vulkan/compile/emission/constants.h"

#include <algorithm>
#include <cstring>

namespace dit::vulkan {
namespace {

#define NO_FIELD(word, name)

/// The part of a stage that is constant, word by word.
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

/// The constants of matrix/fragments.glsl for a kernel that runs all of `stages`: what they share is as large as the
/// largest of them needs.
std::vector<std::uint32_t> matrix_constants(std::span<const SizedStage> stages, std::uint32_t invocations) {
  std::uint32_t exchange = 1, keys = 1, head = 1;
  for (const auto& [group, stage] : stages) {
    exchange = std::max(exchange, group.shared_quads);
    if (stage.heads == 0) continue;
    keys = std::max(keys, stage.token_fragments + fragments_of(stage.channels));  // with those of a prompt
    head = std::max(head, stage.head_fragments);
  }
  return {invocations, exchange, keys, head};
}

}  // namespace

std::vector<std::uint32_t> push_constants(const params::Stage& stage) {
#define FIELD(word, name) .name = stage.name,
  const params::StagePush push = {.step = 0, STAGE_FIELDS(NO_FIELD, NO_FIELD, FIELD)};
#undef FIELD
  std::vector<std::uint32_t> words(sizeof(push) / 4);
  std::memcpy(words.data(), &push, sizeof(push));
  return words;
}

#undef NO_FIELD

std::vector<std::uint32_t> specialization_constants(const TiledGroup& t, const params::Stage& stage,
                                                    const Target& target) {
  const Tile& tile = t.tile;
  std::vector<std::uint32_t> constants = {t.invocations,      tile.down,      tile.across,
                                          tile.depth_step,    t.shared_quads, std::max(t.shared_floats, t.invocations),
                                          tile.chunk,         tile.rows(),    tile.columns(),
                                          tile.sum_fragments, t.row_eights};
  if (target.matrix()) {
    const SizedStage sized = {t, stage};
    constants = matrix_constants({&sized, 1}, t.invocations);
  }
  constants.resize(STAGE_CONSTANTS);
  const std::vector<std::uint32_t> words = fixed_words(stage);
  constants.insert(constants.end(), words.begin(), words.end());
  return constants;
}

std::vector<std::uint32_t> persistent_constants(std::span<const SizedStage> variants, const Target& target) {
  std::vector<std::uint32_t> constants = matrix_constants(variants, target.invocations);
  for (std::size_t i = 0; i < variants.size(); ++i) {
    const std::vector<std::uint32_t> words = fixed_words(variants[i].stage);
    constants.resize(STAGE_CONSTANTS + VARIANT_CONSTANTS * i);
    constants.insert(constants.end(), words.begin(), words.end());
  }
  return constants;
}

}  // namespace dit::vulkan
