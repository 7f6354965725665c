// SPDX-License-Identifier: MIT
// How a product is cut into tiles, by its shape.
#pragma once

#include <cstdint>
#include <vector>

namespace dit::vulkan {

/// Sizes in blocks of 16.
struct ProductShape {
  std::uint32_t row_fragments = 1, column_fragments = 1, depth_fragments = 1;
  bool left_made = false;                ///< the left side is made in shared memory, for all of the depth
  std::uint32_t most_rows = UINT32_MAX;  ///< blocks of rows that a tile may have
  auto operator<=>(const ProductShape&) const = default;
};

/// See stage_product.glsl.
struct Tile {
  std::uint32_t down = 1, across = 1;  ///< blocks a warp
  std::uint32_t ahead = 1;
  std::uint32_t subgroups_down = 1, subgroups_across = 1, subgroups_deep = 1;
  std::uint32_t chunk = 0;    ///< blocks of the sum that pass through shared memory at a time; 0: none do
  std::uint32_t buffers = 1;  ///< chunks in shared memory: with two, one is filled while the other is read
  std::uint32_t slots = 1;    ///< blocks of sums for which a warp has room in shared memory

  std::uint32_t rows() const { return down * subgroups_down; }
  std::uint32_t columns() const { return across * subgroups_across; }
  std::uint32_t warps() const { return subgroups_down * subgroups_across * subgroups_deep; }
  /// Blocks of the depth of a left side made on the way that each warp makes; on matrix hardware.
  std::uint32_t made(const ProductShape& p) const { return (p.depth_fragments + warps() - 1) / warps(); }
  /// Quads of shared memory for both sides of the chunks, rows one quad further apart than they must.
  std::uint32_t staged_quads(std::uint32_t quads_a_block) const {
    return buffers * (rows() + columns()) * (chunk * quads_a_block + 16);
  }
  std::uint32_t count_across(const ProductShape& p) const { return (p.column_fragments + columns() - 1) / columns(); }
  std::uint32_t count(const ProductShape& p) const { return (p.row_fragments + rows() - 1) / rows() * count_across(p); }
  bool operator==(const Tile&) const = default;
};

/// What the choice depends on besides the shape.
struct TileLimits {
  std::uint32_t warps = 2;       ///< of a workgroup
  std::uint32_t processors = 1;  ///< workgroups that run at the same time
  std::uint32_t quads_a_block = 32;
  std::uint32_t tile_quads = 1;  ///< of shared memory, besides the sums
  bool matrix = false;
  bool same_warps = false;  ///< all tiles have as many warps as the workgroup
};

inline constexpr std::uint32_t most_made_blocks = 8;  ///< Tile::made(): registers hold no more

/// Every tile that the kernel can run for a shape.
std::vector<Tile> possible_tiles(const ProductShape& shape, const TileLimits& limits);
/// An estimate of the time, in cycles of a multiprocessor.
double tile_cost(const ProductShape& shape, const Tile& tile, const TileLimits& limits);
/// The same for matrix hardware, which the two above turn to where `limits` say so.
std::vector<Tile> possible_lane_tiles(const ProductShape& shape, const TileLimits& limits);
double lane_tile_cost(const ProductShape& shape, const Tile& tile, const TileLimits& limits);
/// The cheapest by tile_cost(). `like`: only tiles with its down, across and ahead. `forced`: this one, where the
/// kernel can run it; for benchmarks.
Tile choose_tile(const ProductShape& shape, const TileLimits& limits, const Tile* like = nullptr,
                 const Tile* forced = nullptr);

}  // namespace dit::vulkan
