// SPDX-License-Identifier: MIT
// Which stages a program becomes. What they compute is tested op by op and in whole steps.
#include <gtest/gtest.h>

#include <algorithm>

#include "engine/network/dit.h"
#include "engine/vulkan/compile/stages.h"

namespace dit::test {
namespace {

using vulkan::StagedProgram;
using vulkan::StagedWork;

/// As on a GPU of 132 processors. head_dim 0: that of 8 heads side by side
StagedProgram staged(Fusion fusion, std::uint32_t batch, std::uint32_t dim, std::uint32_t heads = 8,
                     std::uint32_t head_dim = 0) {
  ModelConfig c;
  c.channels = 4;
  c.premultiplied = true;
  c.height = c.width = 64;
  c.patch = 8;
  c.dim = dim;
  c.depth = 2;
  c.heads = heads;
  c.head_dim = head_dim;
  c.mlp_dim = 4 * dim;
  c.cond_dim = c.time_dim = 64;
  const Program program = record(c, {.batch = batch, .conditions = 1, .steps = 1});
  const vulkan::StageOptions options = {.precision = Precision::f16_matrix,
                                        .fusion = fusion,
                                        .invocations = 256,
                                        .shared_bytes = 49088,
                                        .processors = 132};
  return stage_program(program, options, stage_layouts(program, options),
                       {.tensor = [](TensorId id) { return 1000 + id; }, .left = 1, .rows = 2});
}

TEST(Stages, AreToldThatTilesCoverTheProductOnlyWhereTheyDo) {
  std::size_t told = 0;
  for (const std::uint32_t batch : {1u, 5u, 64u}) {
    for (const std::uint32_t dim : {144u, 512u}) {
      for (const Fusion fusion : {Fusion::op, Fusion::block, Fusion::single}) {
        for (const StagedWork& w : staged(fusion, batch, dim).work) {
          if (w.stage.exact == 0) continue;
          ++told;
          EXPECT_EQ(w.stage.row_fragments % w.tile.rows(), 0) << batch << ' ' << dim;
          EXPECT_EQ(w.stage.column_fragments % w.tile.columns(), 0) << batch << ' ' << dim;
        }
      }
    }
  }
  EXPECT_GT(told, 0);
}

TEST(Stages, TilesAreNumberedByColumnWhereTheResultIsTooLargeForTheCache) {
  const auto by_column = [](const StagedProgram& p) {
    return std::ranges::count_if(p.work, [](const StagedWork& w) { return w.stage.by_column != 0; });
  };
  EXPECT_EQ(by_column(staged(Fusion::block, 256, 512)), 2) << "the first product of each MLP";
  EXPECT_EQ(by_column(staged(Fusion::block, 64, 512)), 0);
  EXPECT_EQ(by_column(staged(Fusion::single, 1, 512)), 0);
}

TEST(Stages, RowsAreNormedAsTheyLeaveWhereTilesOfWholeRowsPay) {
  const auto normed = [](const StagedProgram& p) {
    return std::ranges::count_if(p.work, [](const StagedWork& w) { return w.stage.normed != NO_PLACE; });
  };
  const auto attends = [](const StagedProgram& p) {
    return std::ranges::count_if(p.work, [](const StagedWork& w) { return w.stage.kind == STAGE_ATTENTION; });
  };
  const StagedProgram favicons = staged(Fusion::block, 64, 512, 1, 128);
  EXPECT_EQ(normed(favicons), 2) << "the product after attention, in each of two layers";
  EXPECT_EQ(attends(favicons), 0) << "attention is made on the way";
  EXPECT_EQ(attends(staged(Fusion::block, 64, 512, 3, 32)), 2);
  EXPECT_EQ(normed(staged(Fusion::block, 64, 512, 3, 32)), 2) << "more heads come before it";
  EXPECT_EQ(normed(staged(Fusion::block, 64, 512, 8, 64)), 0) << "weights that leave the cache";
  EXPECT_EQ(normed(staged(Fusion::block, 1, 512, 1, 128)), 0) << "too few workgroups";
  EXPECT_EQ(normed(staged(Fusion::block, 64, 144, 1, 128)), 0) << "9 blocks among 8 warps";
  EXPECT_EQ(normed(staged(Fusion::op, 64, 512, 1, 128)), 0);
  EXPECT_EQ(normed(staged(Fusion::single, 64, 512, 1, 128)), 0);
  EXPECT_EQ(normed(staged(Fusion::single, 1, 512, 1, 128)), 0);
}

}  // namespace
}  // namespace dit::test
