// SPDX-License-Identifier: MIT
// Which stages a program becomes. What they compute is tested op by op and in whole steps.
#include <gtest/gtest.h>

#include <algorithm>

#include "engine/dit.h"
#include "engine/vulkan/stages.h"

namespace dit::test {
namespace {

using vulkan::StagedProgram;
using vulkan::StagedWork;

/// As on a GPU of 132 processors.
StagedProgram staged(Fusion fusion, std::uint32_t batch, std::uint32_t dim) {
  ModelConfig c;
  c.channels = 4;
  c.premultiplied = true;
  c.height = c.width = 64;
  c.patch = 8;
  c.dim = dim;
  c.depth = 2;
  c.heads = 8;
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
          EXPECT_EQ(w.stage.row_blocks % w.tile.rows(), 0) << batch << ' ' << dim;
          EXPECT_EQ(w.stage.column_blocks % w.tile.columns(), 0) << batch << ' ' << dim;
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

}  // namespace
}  // namespace dit::test
