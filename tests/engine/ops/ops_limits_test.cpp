// SPDX-License-Identifier: MIT
// Ops beyond the sizes and numbers that a network of ours has: grids of two dimensions, subnormal weights.
#include <gtest/gtest.h>

#include <cmath>

#include "tests/engine/ops/op_case.h"
#include "tests/engine/support/devices_under_test.h"

namespace dit::test {
namespace {

class OpsLimits : public ExecutorTest {};

TEST_P(OpsLimits, MoreRowsThanOneLineOfGroups) {
  // Norms take a workgroup a row, and a grid has at most 65535 of them in a line everywhere.
  OpCase c({.batch = 2}, DType::f32);
  c.add(op::ModulatedLinear{
      .x = c.input("h", {2, 35000, 2}),
      .modulation = {.table = c.input("modulation", {1, 4}, 0.5), .shift = 0, .scale = 2},
      // Two values a row are often nearly the same, and what is left of them is rounding; a large eps hides that.
      .norm = {.eps = 0.1f},
      .weight = c.weight("w", {3, 2}),
      .bias = no_tensor,
      .activation = Activation::none,
      .y = c.output("y", {2, 35000, 3})});
  c.check(GetParam());
}

TEST_P(OpsLimits, MorePixelsThanOneLineOfGroups) {
  if (GetParam() == "cpu") GTEST_SKIP() << "the CPU has no grid";
  OpCase c({.batch = 1}, DType::f32, {1, 3, 2050, 2050});
  c.add(op::ToRgba{.x = c.x(), .rgba = c.rgba(), .premultiplied = false});
  c.check(GetParam());
}

TEST_P(OpsLimits, LinearOfSubnormalHalves) {
  // Below 2⁻¹⁴ a half has no leading one; a device that flushes those would give zeros.
  OpCase c({.batch = 1, .conditions = 2, .steps = 3}, DType::f16);
  c.add(op::Linear{
      .x = c.condition(), .weight = c.weight("w", {37, 5}, 1e-5), .bias = no_tensor, .y = c.output("y", {6, 37})});
  c.check(GetParam());
}

INSTANTIATE_TEST_SUITE_P(Executors, OpsLimits, ::testing::Values("cpu", "vulkan"),
                         [](const auto& instance) { return instance.param; });

}  // namespace
}  // namespace dit::test
