// SPDX-License-Identifier: MIT
// Tiles of the convolutional head on matrix hardware; see shaders/fused/matrix/head.glsl.
#pragma once

#include <cstdint>
#include <optional>

#include "engine/vulkan/compile/target.h"

namespace dit::vulkan {

/// A head that one stage can run: layers of 3×3 between an op::Final and the prediction.
struct HeadShape {
  std::size_t first = 0, last = 0;  ///< op::Conv in Program::step
  std::uint32_t rows = 0, height = 0, width = 0;
  std::uint32_t map = 0, beside = 0, hidden = 0,
                predicted = 0;  ///< channels: of the map, the picture, between, at last

  std::uint32_t layers() const { return static_cast<std::uint32_t>(last - first) + 1; }
  std::uint32_t hidden_fragments() const { return fragments_of(hidden); }
  /// Fragments of weights of the picture for a line of three taps.
  std::uint32_t beside_fragments() const { return fragments_of(3 * beside_words() * 2); }
  std::uint32_t beside_words() const { return (beside + 1) / 2; }
};

/// Pixels that a workgroup makes, and fragments of them that a subgroup makes at a time: of hidden layers, of the last.
struct HeadTile {
  std::uint32_t height = 0, width = 0;
  std::uint32_t down = 1, last_down = 1;

  std::uint32_t count(const HeadShape& shape) const;
  /// Of shared memory.
  std::uint32_t shared_quads(const HeadShape& shape) const;
};

/// The head that begins with op `first`, if one stage on matrix hardware can run it.
std::optional<HeadShape> head_at(const Program& program, std::size_t first);
/// The cheapest tile; none where no tile fits in shared memory.
std::optional<HeadTile> choose_head_tile(const HeadShape& shape, const Target& target);

}  // namespace dit::vulkan
