// SPDX-License-Identifier: MIT
// What `dit bench` asks of a device: every figure is there, and none is made up.
#include "engine/vulkan/choose/ceilings.h"
#include "engine/vulkan/choose/sweep.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "engine/session/trial/difference.h"
#include "tests/engine/support/devices_under_test.h"
#include "tests/engine/support/random_weights.h"

namespace dit::test {
namespace {

class Measure : public ::testing::Test {
 protected:
  void SetUp() override {
    if (const std::string problem = vulkan_problem(); !problem.empty()) GTEST_SKIP() << "Vulkan: " << problem;
  }
};

TEST_F(Measure, CeilingsAreThereAndFinite) {
  const vulkan::Ceilings c = vulkan::measure_ceilings(vulkan_index());
  for (const double figure : {c.copy_gb_s, c.f32_tflop_s, c.dispatch_us, c.alternating_us, c.submit_us}) {
    EXPECT_GT(figure, 0);
    EXPECT_TRUE(std::isfinite(figure));
  }
  EXPECT_GE(c.grid_barrier_us, 0);
  EXPECT_LT(c.copy_gb_s, 100e3);
  EXPECT_LT(c.f32_tflop_s, 10e3);
  const std::string problem = problem_of("vulkan_op_matrix");
  EXPECT_EQ(c.matrix_tflop_s > 0, problem.empty()) << problem;
  EXPECT_THROW(vulkan::measure_ceilings(99), Error);
}

/// x += W h alone: one block of rows by two of columns by three of the sum.
Program one_product() {
  Recorder r({});
  const TensorId x = r.activation("x", {1, 3, 1, 1});
  r.set_x(x);
  r.set_condition(r.activation("condition", {1, 1}));
  r.set_rgba(r.rgba("rgba", {1, 1, 1, 4}));
  r.step("product", op::GatedLinearAdd{.x = r.activation("h", {1, 9, 48}),
                                       .weight = r.weight("w", {32, 48}),
                                       .bias = no_tensor,
                                       .modulation = {.table = r.activation("table", {1, 32}), .gate = op::no_column},
                                       .residual = r.activation("residual", {1, 9, 32})});
  return r.finish();
}

TEST_F(Measure, ASweepRunsTheTilesThatItSays) {
  const Program program = one_product();
  Request request;
  request.icons.resize(1);
  request.condition.resize(1);
  request.solver.resize(1);
  request.solver_row.resize(1);
  request.modulation_row.resize(1);
  std::size_t told = 0;
  const auto rows =
      vulkan::sweep_products(random_weights(program), vulkan_index(), program, request, Precision::f32, Fusion::block,
                             {.workgroups = {64, 256}, .most_tiles = 2}, [&](const std::string&) { ++told; });
  EXPECT_EQ(told, 4u);
  ASSERT_EQ(rows.size(), 6u) << "a usual one and two tiles for each workgroup";
  EXPECT_EQ(std::ranges::count(rows, true, &vulkan::SweptProduct::chosen), 1);
  for (const auto& row : rows) {
    EXPECT_EQ(row.label, "product");
    EXPECT_EQ(row.shape.row_fragments, 1u);
    EXPECT_EQ(row.shape.column_fragments, 2u);
    EXPECT_EQ(row.shape.depth_fragments, 3u);
    EXPECT_GT(row.microseconds, 0);
    EXPECT_EQ(row.tile.subgroups_down * row.tile.subgroups_across * row.tile.subgroups_deep * 32, row.invocations);
    EXPECT_EQ(row.chosen, &row == &rows[3]);
  }
  EXPECT_FALSE(rows[1].tile == rows[2].tile);
}

TEST_F(Measure, StatisticsAreThereWhereTheDeviceTellsThem) {
  const Program program = one_product();
  const auto kernels =
      vulkan::kernel_statistics(random_weights(program), vulkan_index(), program, Precision::f32, Fusion::op);
  if (kernels.empty()) GTEST_SKIP() << "the device tells nothing of its kernels";
  for (const auto& kernel : kernels) EXPECT_FALSE(kernel.values.empty()) << kernel.kernel;
}

TEST(Difference, IsRelativeToTheLargestAndInfiniteWhereSomethingIsWrong) {
  const std::vector<float> expected = {1, -4, 2};
  EXPECT_EQ(relative_difference(expected, expected), 0);
  EXPECT_DOUBLE_EQ(relative_difference(std::vector<float>{1, -3, 2}, expected), 0.25);
  EXPECT_TRUE(std::isinf(relative_difference(std::vector<float>{1, -4}, expected)));
  EXPECT_TRUE(std::isinf(relative_difference(std::vector<float>{1, -4, NAN}, expected)));
  EXPECT_TRUE(std::isinf(relative_difference(std::vector<float>{1, -4, INFINITY}, expected)));
}

}  // namespace
}  // namespace dit::test
