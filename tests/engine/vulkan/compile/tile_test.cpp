// SPDX-License-Identifier: MIT
// Which tiles and workgroups a group gets. What they compute is tested op by op and in whole steps.
#include "engine/vulkan/compile/tile.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "tests/engine/vulkan/compile/programs.h"

namespace dit::test {
namespace {

using vulkan::TiledGroup;
using vulkan::TiledProgram;
using vulkan::Work;

TiledProgram tiled(Fusion fusion, std::uint32_t batch, std::uint32_t dim) {
  return compile(small_program(batch, dim), gpu_target(Precision::f16_matrix, fusion)).tiled;
}

TEST(Tile, KernelsAreToldThatTilesCoverTheProductOnlyWhereTheyDo) {
  std::size_t told = 0;
  for (const std::uint32_t batch : {1u, 5u, 64u}) {
    for (const std::uint32_t dim : {144u, 512u}) {
      const Program program = small_program(batch, dim);
      for (const Fusion fusion : {Fusion::op, Fusion::block, Fusion::persistent}) {
        for (const TiledGroup& t : compile(program, gpu_target(Precision::f16_matrix, fusion)).tiled.groups) {
          if (t.exact == 0) continue;
          ++told;
          const vulkan::ProductShape shape = shape_of(program, t.group);
          EXPECT_EQ(shape.row_fragments % t.tile.rows(), 0u) << batch << ' ' << dim;
          EXPECT_EQ(shape.column_fragments % t.tile.columns(), 0u) << batch << ' ' << dim;
        }
      }
    }
  }
  EXPECT_GT(told, 0u);
}

TEST(Tile, AreNumberedByColumnWhereTheResultIsTooLargeForTheCache) {
  const auto by_column = [](const TiledProgram& p) {
    return std::ranges::count(p.groups, true, &TiledGroup::by_column);
  };
  EXPECT_EQ(by_column(tiled(Fusion::block, 256, 512)), 2) << "the first product of each MLP";
  EXPECT_EQ(by_column(tiled(Fusion::block, 64, 512)), 0);
  EXPECT_EQ(by_column(tiled(Fusion::persistent, 1, 512)), 0);
}

TEST(Tile, WhereCountsChoseThemBothSidesPassThroughSharedMemory) {
  for (const vulkan::DeviceClass one : {vulkan::DeviceClass::other_discrete, vulkan::DeviceClass::integrated}) {
    for (const Precision precision : {Precision::f32, Precision::f16}) {
      for (const std::uint32_t batch : {1u, 5u, 64u}) {
        for (const std::uint32_t dim : {144u, 512u}) {
          for (const std::uint32_t shared_bytes : {49088u, 16320u}) {
            vulkan::Target target = gpu_target(precision, Fusion::block);
            target.table = table_of(one);
            target.shared_bytes = shared_bytes;
            for (const TiledGroup& t : compile(small_program(batch, dim), target).tiled.groups) {
              if (t.group.work != Work::product) continue;
              EXPECT_GT(t.tile.chunk, 0u) << batch << ' ' << dim;
              EXPECT_EQ(t.group.lhs, vulkan::Lhs::fragments) << batch << ' ' << dim;
              EXPECT_LE(t.shared_quads * 16 + t.invocations * 4, shared_bytes) << batch << ' ' << dim;
            }
          }
        }
      }
    }
  }
}

TEST(Tile, TheForcedOneIsTakenWhereTheKernelCanRunIt) {
  vulkan::Target target = gpu_target(Precision::f32, Fusion::block);
  const vulkan::ProductShape shape = {.row_fragments = 256, .column_fragments = 32, .depth_fragments = 32};
  const std::vector<vulkan::Tile> possible = possible_tiles(shape, target);
  ASSERT_GT(possible.size(), 3u);
  for (const vulkan::Tile& one : possible) {
    target.forced = one;
    EXPECT_EQ(choose_tile(shape, target), one);
  }
  target.forced = vulkan::Tile{.down = 7};
  EXPECT_NE(choose_tile(shape, target), *target.forced);
}

TEST(Tile, AMeasuredOneGoesBeforeWhatTheCostsWouldChoose) {
  vulkan::Target target = gpu_target(Precision::f32, Fusion::block);
  const vulkan::ProductShape shape = {.row_fragments = 256, .column_fragments = 32, .depth_fragments = 32};
  const vulkan::Tile by_costs = choose_tile(shape, target);
  const std::vector<vulkan::Tile> possible = possible_tiles(shape, target);
  const vulkan::Tile other = possible.front() == by_costs ? possible.back() : possible.front();
  const vulkan::MeasuredTile measured = {Precision::f32, 132, shape, other};
  vulkan::DeviceTable table = target.table;
  table.tiles = {&measured, 1};
  target.table = table;
  EXPECT_EQ(choose_tile(shape, target), other);
  target.processors = 8;
  EXPECT_NE(choose_tile(shape, target), other) << "measured on another device";
}

TEST(Tile, AHeadsHiddenMapsFitInSharedMemory) {
  const auto head_of = [](const Program& program, std::uint32_t shared_bytes) {
    vulkan::Target target = gpu_target(Precision::f16_matrix, Fusion::block);
    target.shared_bytes = shared_bytes;
    target.matrix_suffix = "_matrix_khr";  // emulated ones need memory of their own
    const auto groups = compile(program, target).tiled.groups;
    const auto found = std::ranges::find(groups, vulkan::Work::head, [](const auto& t) { return t.group.work; });
    return found == groups.end() ? std::optional<vulkan::TiledGroup>() : *found;
  };
  const auto one = head_of(headed_program(1), 49088), many = head_of(headed_program(64), 49088);
  ASSERT_TRUE(one && many);
  EXPECT_EQ(many->head.height * many->head.width, 256u);
  EXPECT_EQ(many->shared_quads, (20u * 20 + 18 * 18) * 4) << "two hidden maps, 64 bytes a pixel";
  EXPECT_EQ(many->tiles, 64u * 16);
  EXPECT_LT(one->head.height * one->head.width, 64u) << "every processor has a tile";
  const auto less = head_of(headed_program(64), 24576);
  ASSERT_TRUE(less);
  EXPECT_LE(less->shared_quads * 16, 24576u);
  EXPECT_FALSE(head_of(headed_program(1, 16, 12), 24576)) << "twelve layers look further than any tile that fits";
}

}  // namespace
}  // namespace dit::test
