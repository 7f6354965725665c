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

bool fits(const Tile& tile, const ProductShape& shape, const TileLimits& limits) {
  if (tile.rows() > shape.most_rows) return false;
  if (!shape.lhs_prologue) return true;
  // A team of invocations makes each row of the left side, so there are at most half as many rows as invocations.
  return tile.rows() * shape.depth_fragments * limits.quads_a_fragment <= limits.tile_quads &&
         tile.rows() * 16 <= limits.subgroups * 32;
}

/// Whether each invocation moves a whole number of quads of either side of a chunk.
bool shares_evenly(const Tile& tile, const TileLimits& limits) {
  const std::uint32_t quads = tile.chunk * limits.quads_a_fragment, invocations = tile.subgroups() * 32;
  return tile.rows() * quads % invocations == 0 && tile.columns() * quads % invocations == 0;
}

void add_from_caches(std::vector<Tile>& tiles, const ProductShape& shape, const TileLimits& limits) {
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
}

}  // namespace

std::vector<Tile> portable_tiles(const ProductShape& shape, const TileLimits& limits, const PortableCosts& costs) {
  std::vector<Tile> tiles;
  if (costs.from_caches) add_from_caches(tiles, shape, limits);
  if (shape.lhs_prologue) return tiles;
  for (const ChunkedTile& chunked : costs.chunked) {
    const Tile& tile = chunked.tile;
    const bool fits = tile.subgroups() <= limits.subgroups && tile.rows() <= shape.most_rows &&
                      tile.chunk_quads(limits.quads_a_fragment) <= limits.chunk_quads && shares_evenly(tile, limits);
    if (fits && shape.depth_fragments % tile.chunk == 0) tiles.push_back(tile);
  }
  if (tiles.empty()) add_from_caches(tiles, shape, limits);
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
    const ChunkedTile& chunked = *std::ranges::find_if(c.chunked, known);
    const double multiply = tile.rows() * tile.columns() * depth * fragment_multiplies / chunked.rate;
    const double alone = static_cast<double>(c.full_subgroups) / tile.subgroups();
    return std::max(all_from_l2, std::max(turns, alone) * (chunked.start + multiply));
  }
  const double share = (shape.depth_fragments + tile.subgroups_deep - 1) / tile.subgroups_deep;
  const double reads =
      limits.subgroups * (tile.down + (shape.lhs_prologue ? 0.5 : 1.0) * tile.across) * share * c.shared_fragment;
  const double multiply = limits.subgroups * tile.down * tile.across * share * fragment_multiplies / c.multiply_rate;
  const double latency = std::ceil(share / tile.depth_step) * c.load_latency + share * c.depth_fragment;
  return std::max(all_from_l2, turns * std::max({from_l2, reads, multiply})) + turns * (latency + store + prologue);
}

}  // namespace dit::vulkan
