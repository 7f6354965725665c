// SPDX-License-Identifier: MIT
#include "engine/vulkan/compile/tiles/matrix_tiles.h"

#include <algorithm>
#include <bit>
#include <cmath>

namespace dit::vulkan {
namespace {

struct SubgroupTile {
  std::uint32_t down, across;
};
constexpr SubgroupTile subgroup_tiles[] = {{1, 1}, {1, 2}, {1, 4}, {2, 2}, {2, 4}, {4, 2}};

// Bytes of a fragment of halves, and of one of f32.
constexpr double half_bytes = 512, float_bytes = 1024;
constexpr std::uint32_t shared_bytes = 49152;  // of a multiprocessor

/// Registers of an invocation: 8 hold its share of an accumulator, 4 of a fragment of halves.
std::uint32_t registers(const Tile& tile, const MatrixCosts& c) {
  const std::uint32_t fragments = tile.down * tile.across * 8 + tile.depth_step * (tile.down + tile.across) * 4;
  return std::min(255u, fragments + c.other_registers);
}

/// Fragments of the depth in a turn of the loop. A persistent dispatch asks for all of them at once, as many as
/// registers allow and no more than hide the time of a load; elsewhere the compiler spreads them.
std::uint32_t depth_step(const Tile& tile, std::uint32_t share, bool at_once, const MatrixCosts& c) {
  const std::uint32_t accumulators = tile.down * tile.across;
  if (!at_once) {
    // The compiler loads all of a turn before it multiplies, as far as registers go: measured, not reasoned.
    for (const std::uint32_t turn : {16u, 12u, 10u, 14u, 8u, 13u, 11u, 9u, 6u}) {
      if (share % turn == 0 && (share <= 64 || turn <= 8)) return turn;
    }
    return std::min(share, 8u);
  }
  const std::uint32_t room = (c.fragment_registers - accumulators * 8) / ((tile.down + tile.across) * 4);
  const std::uint32_t most = tile.subgroups_deep == 1 && accumulators >= 4 ? 4 : 16;
  return std::max(1u, std::min({std::bit_floor(room), most, std::bit_ceil(share)}));
}

bool fits(const Tile& tile, const ProductShape& shape, const TileLimits& limits) {
  if (tile.rows() > shape.most_rows) return false;
  // Sums that subgroups share are added up in shared memory.
  if (tile.subgroups_deep > 1 && tile.subgroups() * tile.down * tile.across * 1024 > limits.tile_quads * 16)
    return false;
  if (tile.subgroups_deep > shape.depth_fragments && !shape.lhs_prologue) return false;
  if (!shape.lhs_prologue) return true;
  const std::uint32_t share = tile.lhs_share(shape);
  return tile.rows() == 1 && tile.subgroups_across == 1 && share <= most_lhs_share && share * tile.across <= 16;
}

/// Fitted to products that keep every multiprocessor busy for several turns.
double many_rows_cost(const ProductShape& shape, const Tile& tile, const TileLimits& limits, const MatrixCosts& c) {
  const double sums = tile.down * tile.across, depth = shape.depth_fragments,
               count = static_cast<double>(tile.count(shape));
  const double busy =
      tile.subgroups() * (((tile.down * c.many_lhs + tile.across) * c.many_load + sums * c.many_multiply) * depth +
                          c.many_fragment * sums);
  const double alone = std::ceil(depth / tile.depth_step) * c.many_turn + depth * sums * c.many_multiply + c.many_start;
  const double groups = std::ceil(count / limits.processors);
  // What the compiler uses, whatever the turn.
  const double taken = sums == 8 ? 170 : sums == 4 ? 112 : 100;
  const double resident = std::max(1.0, std::floor(c.registers / (tile.subgroups() * 32 * taken)));
  const double between = sums == 8 ? 1 : c.many_small_tile;
  const double from_l2 = count * (tile.rows() * c.many_lhs + tile.columns()) * half_bytes * depth / c.many_l2_bytes;
  return between * std::max(from_l2, std::ceil(groups / resident) * std::max(std::min(resident, groups) * busy, alone));
}

/// Whether a tile is one of those that the costs of many rows were fitted to.
bool fitted(const Tile& tile) {
  return tile.subgroups_down == 2 && tile.subgroups_across == 2 && tile.down * tile.across >= 4 &&
         tile.subgroups_deep == 1;
}

double few_rows_cost(const ProductShape& shape, const Tile& tile, const TileLimits& limits, const MatrixCosts& c) {
  const double sums = tile.down * tile.across;
  const double share = (shape.depth_fragments + tile.subgroups_deep - 1) / tile.subgroups_deep;
  const double step = tile.subgroups() * ((tile.down + tile.across) * c.load_fragment + sums * c.multiply_fragment);
  const double busy = step * share + (tile.rows() + tile.columns()) * c.row_column * shape.depth_fragments;
  const double row_bytes = tile.rows() * (shape.lhs_prologue ? float_bytes : half_bytes);
  const double groups = std::ceil(static_cast<double>(tile.count(shape)) / limits.processors);
  const double from_l2 =
      tile.count(shape) * (row_bytes + tile.columns() * half_bytes) * shape.depth_fragments / c.l2_bytes;
  const double turns = std::ceil(share / tile.depth_step);
  const double store =
      tile.subgroups_deep > 1 ? c.shared_store + c.shared_store_fragment * sums : c.store + c.store_fragment * sums;
  const double alone = c.start + turns * (c.load_latency + c.step_share * tile.depth_step * step) + store +
                       (shape.lhs_prologue ? c.prologue : 0);
  // A persistent workgroup has its multiprocessor to itself.
  const std::uint32_t shared = tile.subgroups_deep > 1 ? tile.subgroups() * tile.down * tile.across * 1024 : 1024;
  const std::uint32_t by_registers = c.registers / (tile.subgroups() * 32 * registers(tile, c));
  const double resident = limits.persistent ? 1 : std::max(1u, std::min(by_registers, shared_bytes / shared));
  const double side_by_side = std::min(resident, groups);
  // Tiles beside each other make the same left side anew, which takes more than its loads where rows are many.
  const bool few = shape.row_fragments < c.many_row_fragments;
  const double anew = !shape.lhs_prologue || few ? 1 : tile.count_across(shape) >= 8 ? 2 : 1.15;
  return anew * std::max(from_l2, std::ceil(groups / resident) * std::max(side_by_side * busy, alone));
}

}  // namespace

std::vector<Tile> matrix_tiles(const ProductShape& shape, const TileLimits& limits, const MatrixCosts& costs) {
  std::vector<Tile> tiles;
  for (const SubgroupTile& subgroup : subgroup_tiles) {
    for (const std::uint32_t subgroups : {4u, 8u}) {
      if (subgroups > limits.subgroups || (limits.persistent && subgroups != limits.subgroups)) continue;
      for (std::uint32_t down = 1; down <= subgroups; down *= 2) {
        for (std::uint32_t across = 1; down * across <= subgroups; across *= 2) {
          Tile tile = {.down = subgroup.down,
                       .across = subgroup.across,
                       .subgroups_down = down,
                       .subgroups_across = across,
                       .subgroups_deep = subgroups / (down * across)};
          const std::uint32_t share = (shape.depth_fragments + tile.subgroups_deep - 1) / tile.subgroups_deep;
          tile.depth_step = depth_step(tile, share, limits.persistent, costs);
          if (fits(tile, shape, limits)) tiles.push_back(tile);
        }
      }
    }
  }
  return tiles;
}

double matrix_tile_cost(const ProductShape& shape, const Tile& tile, const TileLimits& limits,
                        const MatrixCosts& costs) {
  if (!shape.lhs_prologue && !limits.persistent) {
    const std::uint64_t fragments = std::uint64_t{shape.row_fragments} * shape.column_fragments;
    const bool many = shape.row_fragments >= costs.many_row_fragments && fragments >= 16ull * limits.processors;
    if (many) return many_rows_cost(shape, tile, limits, costs) * (fitted(tile) ? 1 : 100);
    if (tile.subgroups_deep == 1) return many_rows_cost(shape, tile, limits, costs);
  }
  return few_rows_cost(shape, tile, limits, costs);
}

}  // namespace dit::vulkan
