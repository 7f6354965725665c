// SPDX-License-Identifier: MIT
// Tiles of the kernels on matrix hardware; see shaders/fused/matrix/product.glsl.
#include <algorithm>
#include <bit>
#include <cmath>

#include "engine/vulkan/compile/tiles.h"

namespace dit::vulkan {
namespace {

struct WarpTile {
  std::uint32_t down, across;
};
constexpr WarpTile warp_tiles[] = {{1, 1}, {1, 2}, {1, 4}, {2, 2}, {2, 4}, {4, 2}};

// 32-bit registers of an invocation: 8 hold its share of a block of sums, 4 of a block of halves.
constexpr std::uint32_t registers_for_blocks = 192, other_registers = 46, registers_of_processor = 65536;

std::uint32_t registers(const Tile& tile) {
  const std::uint32_t blocks = tile.down * tile.across * 8 + tile.ahead * (tile.down + tile.across) * 4;
  return std::min(255u, blocks + other_registers);
}

/// Blocks of the sum in a turn of the loop. One dispatch of all stages asks for all of them at once, as many as
/// registers allow and no more than hide the time of a load; elsewhere the compiler spreads them.
std::uint32_t blocks_ahead(std::uint32_t down, std::uint32_t across, std::uint32_t deep, std::uint32_t share,
                           bool at_once) {
  if (!at_once) {
    // The compiler loads all blocks of a turn before it multiplies, as far as registers go: measured, not reasoned.
    for (const std::uint32_t turn : {16u, 12u, 10u, 14u, 8u, 13u, 11u, 9u, 6u}) {
      if (share % turn == 0 && (share <= 64 || turn <= 8)) return turn;
    }
    return std::min(share, 8u);
  }
  const std::uint32_t room = (registers_for_blocks - down * across * 8) / ((down + across) * 4);
  const std::uint32_t most = deep == 1 && down * across >= 4 ? 4 : 16;
  return std::max(1u, std::min({std::bit_floor(room), most, std::bit_ceil(share)}));
}

bool fits(const Tile& tile, const ProductShape& shape, const TileLimits& limits) {
  if (tile.rows() > shape.most_rows) return false;
  // Sums that warps share meet in shared memory.
  if (tile.subgroups_deep > 1 && tile.warps() * tile.down * tile.across * 1024 > limits.tile_quads * 16) return false;
  if (tile.subgroups_deep > shape.depth_fragments && !shape.left_made) return false;
  if (!shape.left_made) return true;
  const std::uint32_t made = tile.made(shape);
  return tile.rows() == 1 && tile.subgroups_across == 1 && made <= most_made_blocks && made * tile.across <= 16;
}

}  // namespace

std::vector<Tile> possible_lane_tiles(const ProductShape& shape, const TileLimits& limits) {
  std::vector<Tile> tiles;
  for (const WarpTile& warp : warp_tiles) {
    for (const std::uint32_t warps : {4u, 8u}) {
      if (warps > limits.warps || (limits.same_warps && warps != limits.warps)) continue;
      for (std::uint32_t down = 1; down <= warps; down *= 2) {
        for (std::uint32_t across = 1; down * across <= warps; across *= 2) {
          const std::uint32_t deep = warps / (down * across), share = (shape.depth_fragments + deep - 1) / deep;
          const Tile tile = {.down = warp.down,
                             .across = warp.across,
                             .ahead = blocks_ahead(warp.down, warp.across, deep, share, limits.same_warps),
                             .subgroups_down = down,
                             .subgroups_across = across,
                             .subgroups_deep = deep};
          if (fits(tile, shape, limits)) tiles.push_back(tile);
        }
      }
    }
  }
  return tiles;
}

namespace {

/// Cycles of a multiprocessor of an NVIDIA H200, fitted to all tiles of the products of 4096 and 16384 rows of the
/// favicon diffusor's shape: 5 to multiply two blocks, 0.5 to load one, more for activations, which other workgroups do
/// not share; 2400 for the loads of a turn; 4000 bytes a cycle from the L2 cache for all together.
double many_rows_cost(const ProductShape& shape, const Tile& tile, const TileLimits& limits) {
  constexpr double left = 1.16;
  const double sums = tile.down * tile.across, depth = shape.depth_fragments,
               count = static_cast<double>(tile.count(shape));
  const double busy = tile.warps() * (((tile.down * left + tile.across) * 0.45 + sums * 5.16) * depth + 18 * sums);
  const double alone = std::ceil(depth / tile.ahead) * 2430 + depth * sums * 5.16 + 10800;
  const double groups = std::ceil(count / limits.processors);
  // What the compiler uses, whatever the turn.
  const double taken = sums == 8 ? 170 : sums == 4 ? 112 : 100;
  const double resident = std::max(1.0, std::floor(registers_of_processor / (tile.warps() * 32 * taken)));
  // Between other dispatches smaller tiles lose more than alone: 3 % of a step at batch 64.
  const double between = sums == 8 ? 1 : 1.25;
  return between * std::max(count * (tile.rows() * left + tile.columns()) * 512 * depth / 4000,
                            std::ceil(groups / resident) * std::max(std::min(resident, groups) * busy, alone));
}

/// Whether a tile is one of those that the costs of many rows were fitted to.
bool fitted(const Tile& tile) {
  return tile.subgroups_down == 2 && tile.subgroups_across == 2 && tile.down * tile.across >= 4;
}

}  // namespace

double lane_tile_cost(const ProductShape& shape, const Tile& tile, const TileLimits& limits) {
  if (!shape.left_made && !limits.same_warps) {
    const std::uint64_t blocks = std::uint64_t{shape.row_fragments} * shape.column_fragments;
    const bool many = shape.row_fragments >= 128 && blocks >= 16ull * limits.processors;
    if (many) return many_rows_cost(shape, tile, limits) * (fitted(tile) && tile.subgroups_deep == 1 ? 1 : 100);
    if (tile.subgroups_deep == 1) return many_rows_cost(shape, tile, limits);
  }
  // Cycles of a multiprocessor of an NVIDIA H200: 4 for a warp to load a block, 3.1 to multiply two; 600 for loads that
  // nothing hides; 5500 bytes a cycle from the L2 cache for all together. Fitted to products of 64, 4096 and 16384
  // rows.
  const double sums = tile.down * tile.across,
               share = (shape.depth_fragments + tile.subgroups_deep - 1) / tile.subgroups_deep;
  const double step = tile.warps() * ((tile.down + tile.across) * 4.0 + sums * 3.1),
               busy = step * share + (tile.rows() + tile.columns()) * 2.0 * shape.depth_fragments;
  const double rows_bytes = tile.rows() * (shape.left_made ? 1024.0 : 512.0);
  const double groups = std::ceil(static_cast<double>(tile.count(shape)) / limits.processors);
  const double from_l2 = tile.count(shape) * (rows_bytes + tile.columns() * 512.0) * shape.depth_fragments / 5500;
  const double turns = std::ceil(share / tile.ahead),
               leave = tile.subgroups_deep > 1 ? 500 + 250 * sums : 300 + 60 * sums;
  const double alone = 900 + turns * (600 + 0.8 * tile.ahead * step) + leave + (shape.left_made ? 900 : 0);
  // A persistent workgroup has its multiprocessor to itself.
  const std::uint32_t shared = tile.subgroups_deep > 1 ? tile.warps() * tile.down * tile.across * 1024 : 1024;
  const std::uint32_t by_registers = registers_of_processor / (tile.warps() * 32 * registers(tile));
  const double resident = limits.same_warps ? 1 : std::max(1u, std::min(by_registers, 49152 / shared));
  const double side_by_side = std::min(resident, groups);
  // Tiles beside each other make the same left side anew, which takes more than its loads where rows are many.
  const double anew = !shape.left_made || shape.row_fragments < 128 ? 1 : tile.count_across(shape) >= 8 ? 2 : 1.15;
  return anew * std::max(from_l2, std::ceil(groups / resident) * std::max(side_by_side * busy, alone));
}

}  // namespace dit::vulkan
