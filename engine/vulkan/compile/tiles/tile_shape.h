// SPDX-License-Identifier: MIT
// A product and a tile of it, in fragments of 16×16 values.
#pragma once

#include <algorithm>
#include <cstdint>

namespace dit::vulkan {

struct ProductShape {
  std::uint32_t row_fragments = 1, column_fragments = 1, depth_fragments = 1;
  bool lhs_prologue = false;             ///< the left side is made on the way, for all of the depth
  std::uint32_t most_rows = UINT32_MAX;  ///< fragments of rows that a tile may have
  auto operator<=>(const ProductShape&) const = default;
};

/// What a workgroup makes of a product, and how; see shaders/fused/{portable,matrix}/product.glsl.
struct Tile {
  std::uint32_t down = 1, across = 1;  ///< fragments a subgroup
  std::uint32_t depth_step = 1;        ///< fragments of the depth that are loaded before they are multiplied
  std::uint32_t subgroups_down = 1, subgroups_across = 1;
  std::uint32_t subgroups_deep = 1;  ///< that share a sum
  std::uint32_t chunk = 0;           ///< fragments of the depth that pass through shared memory at a time; 0: none do
  std::uint32_t buffers = 1;         ///< chunks in shared memory: with two, one is filled while the other is read
  std::uint32_t sum_fragments = 1;   ///< accumulators for which a subgroup has room in shared memory

  std::uint32_t rows() const { return down * subgroups_down; }
  std::uint32_t columns() const { return across * subgroups_across; }
  std::uint32_t subgroups() const { return subgroups_down * subgroups_across * subgroups_deep; }
  /// Fragments of the depth of a left side made on the way that each subgroup makes; on matrix hardware.
  std::uint32_t lhs_share(const ProductShape& p) const { return (p.depth_fragments + subgroups() - 1) / subgroups(); }
  /// Quads of shared memory for both sides of the chunks, rows one quad further apart than they must.
  std::uint32_t chunk_quads(std::uint32_t quads_a_fragment) const {
    return buffers * (rows() + columns()) * (chunk * quads_a_fragment + 16);
  }
  std::uint32_t count_across(const ProductShape& p) const { return (p.column_fragments + columns() - 1) / columns(); }
  std::uint32_t count(const ProductShape& p) const { return (p.row_fragments + rows() - 1) / rows() * count_across(p); }
  /// Whether no tile hangs over the edge of the product.
  bool covers(const ProductShape& p) const {
    return p.row_fragments % rows() == 0 && p.column_fragments % columns() == 0;
  }
  bool operator==(const Tile&) const = default;
};

/// What the choice of a tile depends on besides the shape.
struct TileLimits {
  std::uint32_t subgroups = 2;   ///< of a workgroup
  std::uint32_t processors = 1;  ///< workgroups that run at the same time
  std::uint32_t quads_a_fragment = 32;
  std::uint32_t tile_quads = 1;   ///< of shared memory, besides the sums
  std::uint32_t chunk_quads = 1;  ///< of shared memory, where subgroups share no sums
  bool persistent = false;        ///< all tiles have as many subgroups as the workgroup, which stays
};

/// Of Tile::lhs_share(): registers hold no more.
inline constexpr std::uint32_t most_lhs_share = 8;

}  // namespace dit::vulkan
