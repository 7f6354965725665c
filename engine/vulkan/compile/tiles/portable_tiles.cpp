// SPDX-License-Identifier: MIT
#include "engine/vulkan/compile/tiles/portable_tiles.h"

#include <algorithm>
#include <cmath>

namespace dit::vulkan {
namespace {

/// Of a subgroup, where both sides come straight from the caches.
struct SubgroupTile {
  std::uint32_t down, across;
};
constexpr SubgroupTile subgroup_tiles[] = {{1, 1}, {1, 2}, {2, 2}};

/// Through shared memory; each invocation moves a whole number of quads of a chunk. rate: operations a cycle that a
/// workgroup of matrices reached on an NVIDIA H200 in products of 512, 4096 and 16384 rows.
struct ChunkedTile {
  Tile tile;
  double rate;
};
constexpr ChunkedTile chunked(std::uint32_t down, std::uint32_t across, std::uint32_t subgroups_down,
                              std::uint32_t subgroups_across, std::uint32_t chunk, std::uint32_t buffers, double rate) {
  return {{.down = down,
           .across = across,
           .subgroups_down = subgroups_down,
           .subgroups_across = subgroups_across,
           .chunk = chunk,
           .buffers = buffers},
          rate};
}
constexpr ChunkedTile chunked_tiles[] = {
    chunked(4, 4, 2, 4, 2, 1, 1000), chunked(4, 4, 2, 2, 2, 1, 870), chunked(4, 4, 2, 2, 2, 2, 870),
    chunked(4, 2, 2, 4, 4, 1, 1060), chunked(4, 2, 2, 4, 2, 1, 700), chunked(2, 4, 2, 2, 2, 2, 600),
    chunked(2, 2, 4, 2, 4, 1, 750),  chunked(2, 2, 2, 4, 4, 1, 750), chunked(2, 2, 2, 2, 4, 2, 650),
    chunked(1, 2, 4, 2, 4, 1, 550),  chunked(2, 2, 2, 4, 2, 1, 500), chunked(1, 2, 2, 2, 4, 2, 400)};

bool fits(const Tile& tile, const ProductShape& shape, const TileLimits& limits) {
  if (tile.rows() > shape.most_rows) return false;
  if (!shape.lhs_prologue) return true;
  // A team of invocations makes each row of the left side, so there are at most half as many rows as invocations.
  return tile.rows() * shape.depth_fragments * limits.quads_a_fragment <= limits.tile_quads &&
         tile.rows() * 16 <= limits.subgroups * 32;
}

}  // namespace

std::vector<Tile> portable_tiles(const ProductShape& shape, const TileLimits& limits) {
  std::vector<Tile> tiles;
  for (const SubgroupTile& subgroup : subgroup_tiles) {
    for (std::uint32_t down = 1; down <= limits.subgroups; down *= 2) {
      for (std::uint32_t across = 1; across * down <= limits.subgroups; across *= 2) {
        const Tile tile = {.down = subgroup.down,
                           .across = subgroup.across,
                           .subgroups_down = down,
                           .subgroups_across = across,
                           .subgroups_deep = limits.subgroups / (down * across)};
        if (fits(tile, shape, limits)) tiles.push_back(tile);
      }
    }
  }
  if (shape.lhs_prologue) return tiles;
  for (const auto& [tile, rate] : chunked_tiles) {
    // Fewer subgroups leave more room besides their sums: 64 quads each.
    const std::uint32_t room = limits.tile_quads + (limits.subgroups - tile.subgroups()) * 64;
    const bool fits = tile.subgroups() <= limits.subgroups && tile.rows() <= shape.most_rows &&
                      tile.chunk_quads(limits.quads_a_fragment) <= room;
    if (fits && shape.depth_fragments % tile.chunk == 0) tiles.push_back(tile);
  }
  return tiles;
}

double portable_tile_cost(const ProductShape& shape, const Tile& tile, const TileLimits& limits,
                          const PortableCosts& c) {
  constexpr double fragment_bytes = 512, fragment_multiplies = 8192;
  const double turns = (tile.count(shape) + limits.processors - 1) / limits.processors;
  const double depth = shape.depth_fragments, prologue = shape.lhs_prologue ? c.prologue : 0;
  const double from_l2 =
      (tile.rows() * (shape.lhs_prologue ? 2.0 : 1.0) + tile.columns()) * depth * fragment_bytes / c.l2_bytes_one;
  const double all_from_l2 = from_l2 * c.l2_bytes_one * tile.count(shape) / c.l2_bytes;
  const double store =
      c.store + tile.down * tile.across * (tile.subgroups_deep > 1 ? c.store_shared_fragment : c.store_fragment);
  if (tile.chunk > 0) {
    const auto known = [&](const ChunkedTile& t) { return t.tile == tile; };
    const double rate = std::find_if(std::begin(chunked_tiles), std::end(chunked_tiles), known)->rate;
    const double multiply =
        tile.rows() * tile.columns() * depth * fragment_multiplies / (rate * c.multiply_rate / c.chunked_rate_scale);
    return std::max(all_from_l2, turns * (c.chunked + multiply + c.chunked_fragment * tile.down * tile.across));
  }
  const double share = (shape.depth_fragments + tile.subgroups_deep - 1) / tile.subgroups_deep;
  const double reads =
      limits.subgroups * (tile.down + (shape.lhs_prologue ? 0.5 : 1.0) * tile.across) * share * c.shared_fragment;
  const double multiply = limits.subgroups * tile.down * tile.across * share * fragment_multiplies / c.multiply_rate;
  const double latency = std::ceil(share / tile.depth_step) * c.load_latency + share * c.depth_fragment;
  return std::max(all_from_l2, turns * std::max({from_l2, reads, multiply})) + turns * (latency + store + prologue);
}

}  // namespace dit::vulkan
