// SPDX-License-Identifier: MIT
// What every tile of the portable kernels computes, whichever the costs of this device would choose.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <numeric>
#include <vector>

#include "engine/network/dit.h"
#include "engine/vulkan/choose/device_table.h"
#include "engine/vulkan/run/plan.h"
#include "engine/vulkan/run/weights.h"
#include "tests/engine/support/devices_under_test.h"
#include "tests/engine/support/random_weights.h"
#include "tests/reference/oracle.h"

namespace dit::test {
namespace {

/// Products that no tile covers: 35 tokens, 120 columns in eight fragments, heads of 40 that are padded, nine fragments
/// of the MLP. Those of eight fragments of depth are what chunks of two and four can run.
ModelConfig awkward() {
  ModelConfig c;
  c.channels = 3;
  c.height = 20;
  c.width = 28;
  c.patch = 4;
  c.dim = 120;
  c.depth = 1;
  c.heads = 3;
  c.head_dim = 40;
  c.mlp_dim = 136;
  c.cond_dim = 7;
  c.time_dim = 8;
  c.has_words = false;
  return c;
}

Request request_for(const Program& program) {
  const PlanShape& s = program.shape;
  Request request;
  request.condition.resize(element_count(program.tensor(program.condition).shape));
  for (std::size_t i = 0; i < request.condition.size(); ++i)
    request.condition[i] = static_cast<float>(std::sin(static_cast<double>(i)));
  for (std::uint32_t b = 0; b < s.batch; ++b) request.icons.push_back({.from = {.seed = 3, .index = b}});
  SolverRow row;
  row.a = 0.5f;
  row.b[0] = 0.7f;
  request.solver.push_back(row);
  request.solver_row.assign(s.batch, 0);
  for (std::uint32_t r = 0; r < s.rows(); ++r) request.modulation_row.push_back(r / s.batch);
  return request;
}

class Tiles : public ::testing::TestWithParam<vulkan::DeviceClass> {
 protected:
  void SetUp() override {
    if (const std::string problem = vulkan_problem(); !problem.empty()) GTEST_SKIP() << "Vulkan: " << problem;
    shared_.device = vulkan::open_device(vulkan_index());
    if (!shared_.device->abilities().stages) GTEST_SKIP() << "no fused kernels on this device";
    shared_.source = random_weights(program_);
    shared_.pipelines = std::make_shared<vulkan::Pipelines>(*shared_.device);
    vulkan::place_weights(*shared_.device, *shared_.source, false, shared_.weights);
  }

  /// Every op of a step with this tile, wherever a product can run it; how many could.
  std::size_t check(Precision precision, const vulkan::Tile& tile) {
    shared_.forced = {256, tile, table_of(GetParam())};
    vulkan::VulkanPlan plan(shared_, program_, precision, Fusion::block);
    const Request request = request_for(program_);
    reference::Oracle oracle(shared_.source, program_);
    oracle.set_request(request);
    plan.set_request(request);
    const double bound = precision == Precision::f32 ? 1e-5 : 4e-3;
    std::size_t next = 0;
    const auto compare = [&](const Op& op, const Shape&, std::span<const float> values) {
      // Those too whose output never was in memory.
      while (next < program_.step.size() && program_.step[next].label != op.label)
        oracle.run(program_.step[next++].what, 0);
      oracle.run(op.what, 0);
      ++next;
      const reference::Values& expected = oracle[output_of(op.what)];
      ASSERT_EQ(values.size(), expected.size());
      double largest = 1e-30, worst = 0;
      for (const double value : expected) largest = std::max(largest, std::fabs(value));
      for (std::size_t i = 0; i < values.size(); ++i) {
        const double error = std::fabs(values[i] - expected[i]);
        if (!(error <= worst)) worst = error;
      }
      const bool bytes = std::holds_alternative<op::ToRgba>(op.what);
      EXPECT_LE(worst, bytes ? 1.0 : bound * largest) << op.label;
    };
    oracle.prepare();
    plan.prepare(never_cancelled);
    plan.capture(false, 0, compare);
    return static_cast<std::size_t>(
        std::ranges::count_if(plan.schedule().compiled.tiled.groups, [&](const vulkan::TiledGroup& group) {
          return group.group.work == vulkan::Work::product && group.tile.chunk == tile.chunk &&
                 group.tile.rows() == tile.rows() && group.tile.columns() == tile.columns();
        }));
  }

  Program program_ = record(awkward(), {.batch = 3, .conditions = 2, .steps = 1, .guided = true});
  vulkan::Shared shared_;
};

/// A software device takes minutes to compile kernels for all of them, so but for the first in f32 and the last in f16
/// they are asked for.
TEST_P(Tiles, ThroughSharedMemoryMultiplyRight) {
  if (GetParam() == vulkan::DeviceClass::nvidia_matrix)
    GTEST_SKIP() << "heads joined with their product leave this network none for its tiles";
  const bool all = std::getenv("DIT_TEST_ALL_FUSIONS") != nullptr;
  for (const Precision precision : {Precision::f32, Precision::f16}) {
    const std::uint32_t quads = precision == Precision::f32 ? 64 : 32;
    std::vector<vulkan::Tile> tiles;
    for (const vulkan::ChunkedTile& chunked : table_of(GetParam()).costs.portable.chunked) {
      const vulkan::Tile& tile = chunked.tile;
      // An invocation moves a whole number of quads of either side.
      const std::uint32_t side = std::gcd(tile.rows(), tile.columns()) * tile.chunk * quads;
      const bool fits = tile.chunk_quads(quads) * 16 + 2048 <= shared_.device->limits().maxComputeSharedMemorySize;
      if (fits && side % (tile.subgroups() * 32) == 0) tiles.push_back(tile);
    }
    ASSERT_GE(tiles.size(), 4u);
    if (!all) tiles = {precision == Precision::f32 ? tiles.front() : tiles.back()};
    for (const vulkan::Tile& tile : tiles) {
      SCOPED_TRACE(::testing::Message() << tile.down << 'x' << tile.across << " by " << tile.subgroups_down << 'x'
                                        << tile.subgroups_across << ", chunk " << tile.chunk << ", "
                                        << name_of(precision));
      EXPECT_GE(check(precision, tile), 2u) << "the forced tile was not taken";
    }
  }
}

TEST_P(Tiles, FromTheCachesMultiplyRight) {
  if (!table_of(GetParam()).costs.portable.from_caches) GTEST_SKIP() << "this class has none";
  if (!std::getenv("DIT_TEST_ALL_FUSIONS")) GTEST_SKIP() << "minutes; DIT_TEST_ALL_FUSIONS=1 asks for them";
  for (const vulkan::Tile& tile :
       {vulkan::Tile{.down = 2, .across = 2, .subgroups_down = 2, .subgroups_across = 4},
        vulkan::Tile{.across = 2, .subgroups_across = 2, .subgroups_deep = 4}, vulkan::Tile{.subgroups_deep = 8}}) {
    for (const Precision precision : {Precision::f32, Precision::f16}) {
      SCOPED_TRACE(::testing::Message() << tile.down << 'x' << tile.across << ", " << tile.subgroups_deep << " deep, "
                                        << name_of(precision));
      EXPECT_GE(check(precision, tile), 2u) << "the forced tile was not taken";
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Portable, Tiles,
                         ::testing::Values(vulkan::DeviceClass::nvidia_matrix, vulkan::DeviceClass::other_discrete),
                         [](const auto& instance) {
                           std::string name = vulkan::name_of(instance.param);
                           std::ranges::replace(name, '-', '_');
                           return name;
                         });

}  // namespace
}  // namespace dit::test
