// SPDX-License-Identifier: MIT
// Third pass: the tiles and workgroups of each group, by one cost table. Knows no Vulkan.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "engine/vulkan/compile/layout.h"
#include "engine/vulkan/compile/tiles/head_tiles.h"

namespace dit::vulkan {

/// A group with all its sizes.
struct TiledGroup {
  Group group;
  Tile tile;                        ///< of a product; of other work on matrix hardware its subgroups_deep alone
  std::uint32_t tiles = 1;          ///< pieces that a workgroup takes one at a time
  std::uint32_t tiles_across = 1;   ///< of a product
  std::uint32_t invocations = 0;    ///< of a workgroup
  std::uint32_t shared_quads = 1;   ///< for sides of products; on matrix hardware what subgroups exchange
  std::uint32_t shared_floats = 1;  ///< for sums, on portable kernels
  std::uint32_t row_eights = 4;     ///< eights of a row that an invocation keeps while it is normed
  std::uint32_t head_group = 0;     ///< heads that a workgroup of attention works on at a time
  std::uint32_t lhs_share = 1;      ///< fragments of the depth that a subgroup makes of a left side
  std::uint32_t exact = 0;          ///< EXACT_…
  bool by_column = false;           ///< tiles below each other are numbered one after the other
  HeadTile head = {};               ///< of a head
};

struct TiledProgram {
  std::vector<TiledGroup> groups;
  std::vector<GroupedOp> ops;
};

/// errors  unsupported, naming the op that is larger than the kernels serve
TiledProgram tile(const Program& program, const FusedProgram& fused, const Target& target);

/// The cheapest tile that the kernel can run for a shape, by the target's table; target.forced where that can be.
/// errors  unsupported: none fits in shared memory
Tile choose_tile(const ProductShape& shape, const Target& target);
/// Every tile that the kernel can run for a shape.
std::vector<Tile> possible_tiles(const ProductShape& shape, const Target& target);
/// The product of a group that is one.
ProductShape shape_of(const Program& program, const Group& group);
/// Cycles of the cheapest tile for the product of op `op`; none where no tile fits.
/// with_prologue  its left side is made on the way
std::optional<double> product_cost(const Program& program, const std::vector<ColumnGroups>& columns, std::size_t op,
                                   const Target& target, bool with_prologue);

}  // namespace dit::vulkan
