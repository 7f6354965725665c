// SPDX-License-Identifier: MIT
#include "engine/vulkan/compile/tiles.h"

#include <algorithm>
#include <cmath>

#include "engine/error.h"

namespace dit::vulkan {
namespace {

struct WarpTile {
  std::uint32_t down, across, ahead;
};

constexpr WarpTile plain_tiles[] = {{1, 1, 1}, {1, 2, 1}, {2, 2, 1}};

// Through shared memory; each invocation moves a whole number of quads of a chunk. Rate: operations a cycle that a
// workgroup of matrices reached on an NVIDIA H200 in products of 512, 4096 and 16384 rows.
struct StagedTile {
  Tile tile;
  double rate;
};
constexpr StagedTile staged(std::uint32_t down, std::uint32_t across, std::uint32_t subgroups_down,
                            std::uint32_t subgroups_across, std::uint32_t chunk, std::uint32_t buffers, double rate) {
  return {{.down = down,
           .across = across,
           .subgroups_down = subgroups_down,
           .subgroups_across = subgroups_across,
           .chunk = chunk,
           .buffers = buffers},
          rate};
}
constexpr StagedTile staged_tiles[] = {
    staged(4, 4, 2, 4, 2, 1, 1000), staged(4, 4, 2, 2, 2, 1, 870), staged(4, 4, 2, 2, 2, 2, 870),
    staged(4, 2, 2, 4, 4, 1, 1060), staged(4, 2, 2, 4, 2, 1, 700), staged(2, 4, 2, 2, 2, 2, 600),
    staged(2, 2, 4, 2, 4, 1, 750),  staged(2, 2, 2, 4, 4, 1, 750), staged(2, 2, 2, 2, 4, 2, 650),
    staged(1, 2, 4, 2, 4, 1, 550),  staged(2, 2, 2, 4, 2, 1, 500), staged(1, 2, 2, 2, 4, 2, 400)};

}  // namespace

std::vector<Tile> possible_tiles(const ProductShape& shape, const TileLimits& limits) {
  if (limits.matrix) return possible_lane_tiles(shape, limits);
  std::vector<Tile> tiles;
  const auto add = [&](const WarpTile& warp) {
    for (std::uint32_t down = 1; down <= limits.warps; down *= 2) {
      for (std::uint32_t across = 1; across * down <= limits.warps; across *= 2) {
        const Tile tile = {.down = warp.down,
                           .across = warp.across,
                           .ahead = warp.ahead,
                           .subgroups_down = down,
                           .subgroups_across = across,
                           .subgroups_deep = limits.warps / (down * across)};
        if (tile.rows() > shape.most_rows) continue;
        const std::uint32_t left = shape.left_made ? tile.rows() * shape.depth_fragments * limits.quads_a_block : 0;
        if (left > limits.tile_quads) continue;
        // A team of invocations makes each row of the left side, so there are at most half as many rows as invocations.
        if (shape.left_made && tile.rows() * 16 > limits.warps * 32) continue;
        tiles.push_back(tile);
      }
    }
  };
  std::for_each(std::begin(plain_tiles), std::end(plain_tiles), add);
  if (shape.left_made) return tiles;
  for (const auto& [tile, rate] : staged_tiles) {
    // Fewer warps leave more room besides their sums: 64 quads each.
    const bool fits = tile.warps() <= limits.warps && tile.rows() <= shape.most_rows &&
                      tile.staged_quads(limits.quads_a_block) <= limits.tile_quads + (limits.warps - tile.warps()) * 64;
    if (fits && shape.depth_fragments % tile.chunk == 0) tiles.push_back(tile);
  }
  return tiles;
}

double tile_cost(const ProductShape& shape, const Tile& tile, const TileLimits& limits) {
  if (limits.matrix) return lane_tile_cost(shape, tile, limits);
  // Cycles of a multiprocessor of an NVIDIA H200, fitted to what `dit bench --kernels` showed there: 64 bytes a cycle
  // from the L2 cache, and 5500 for all together; 14 for a block that a warp passes through shared memory; 700 for a
  // load that nothing hides. Others differ, but less in the ratios.
  const double waves = (tile.count(shape) + limits.processors - 1) / limits.processors;
  const double depth = shape.depth_fragments, made = shape.left_made ? 1200 : 0;
  const double from_l2 = (tile.rows() * (shape.left_made ? 2.0 : 1.0) + tile.columns()) * depth * 512 / 64;
  const double all_from_l2 = from_l2 * 64 * tile.count(shape) / 5500;
  const double leave = 300 + tile.down * tile.across * (tile.subgroups_deep > 1 ? 150 : 60);
  const double rate = 200;
  if (tile.chunk > 0) {
    const auto measured = [&](const StagedTile& s) { return s.tile == tile; };
    const StagedTile& staged = *std::find_if(std::begin(staged_tiles), std::end(staged_tiles), measured);
    const double multiply = tile.rows() * tile.columns() * depth * 8192 / (staged.rate * rate / 1300);
    const double leaving = 400.0 * tile.down * tile.across;
    return std::max(all_from_l2, waves * (3000 + multiply + leaving));
  }
  const double share = (shape.depth_fragments + tile.subgroups_deep - 1) / tile.subgroups_deep;
  const double reads = limits.warps * (tile.down + (shape.left_made ? 0.5 : 1.0) * tile.across) * share * 14;
  const double multiply = limits.warps * tile.down * tile.across * share * 8192 / rate;
  const double latency = std::ceil(share / tile.ahead) * 700 + share * 60;
  return std::max(all_from_l2, waves * std::max({from_l2, reads, multiply})) + waves * (latency + leave + made);
}

Tile choose_tile(const ProductShape& shape, const TileLimits& limits, const Tile* like, const Tile* forced) {
  const Tile* best = nullptr;
  const std::vector<Tile> tiles = possible_tiles(shape, limits);
  if (forced && std::find(tiles.begin(), tiles.end(), *forced) != tiles.end()) return *forced;
  for (const Tile& tile : tiles) {
    if (like && (tile.chunk > 0 || tile.down != like->down || tile.across != like->across || tile.ahead != like->ahead))
      continue;
    if (!best || tile_cost(shape, tile, limits) < tile_cost(shape, *best, limits)) best = &tile;
  }
  expect(best != nullptr, ErrorKind::unsupported, "product: no tile of {} blocks of depth fits in shared memory",
         shape.depth_fragments);
  return *best;
}

}  // namespace dit::vulkan
