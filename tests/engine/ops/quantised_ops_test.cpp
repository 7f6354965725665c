// SPDX-License-Identifier: MIT
// Every op that multiplies by a weight, with quantised weights unpacked inside the product, on both executors against
// the f64 twins over the same integers and scales: what is left is rounding of sums, as with any other type.
#include <gtest/gtest.h>

#include <cmath>

#include "tests/engine/ops/op_case.h"
#include "tests/engine/support/devices_under_test.h"

namespace dit::test {
namespace {

class QuantisedOps : public ExecutorTest {
 protected:
  static constexpr DType dtypes[] = {DType::q8_0, DType::q4_0, DType::int8_g32, DType::int4_g32};
};

struct Sizes {
  PlanShape plan;
  std::uint32_t tokens, in, out;
};

// One group and many; an odd number of groups, so that the scales end within a word; rows past a tile and a panel.
const Sizes sizes[] = {
    {{.batch = 1}, 1, 32, 1},
    {{.batch = 2, .conditions = 2, .steps = 3}, 3, 96, 5},
    {{.batch = 1, .conditions = 2, .steps = 2, .guided = true}, 35, 64, 72},
    {{.batch = 1}, 17, 160, 129},
    {{.batch = 2}, 49, 544, 100},
};

op::Modulation modulation(OpCase& c, std::uint32_t dim, bool aligned) {
  const std::uint32_t rows = c.shape().steps * c.shape().conditions, pad = aligned ? 0 : 1;
  return {.table = c.input("modulation", {rows, 3 * dim + 3 * pad}, 0.5),
          .shift = pad,
          .scale = dim + 2 * pad,
          .gate = 2 * dim + pad};
}

TEST_P(QuantisedOps, Linear) {
  for (const DType dtype : dtypes) {
    for (const auto& [plan, tokens, in, out] : sizes) {
      OpCase c(plan, dtype, {1, 3, 4, 4}, in);
      c.add(op::Linear{.x = c.condition(),
                       .weight = c.weight("w", {out, in}, 1 / std::sqrt(in)),
                       .bias = c.weight("b", {out}),
                       .y = c.output("y", {plan.steps * plan.conditions, out})});
      c.check(GetParam());
    }
  }
}

TEST_P(QuantisedOps, ModulatedLinear) {
  for (const DType dtype : dtypes) {
    for (const auto& [plan, tokens, in, out] : sizes) {
      for (const bool aligned : {false, true}) {
        OpCase c(plan, dtype);
        op::ModulatedLinear o{};
        o.x = c.input("h", {plan.rows(), tokens, in}, 3);
        o.modulation = modulation(c, in, aligned);
        o.norm = {.eps = 1e-5f};
        o.weight = c.weight("w", {out, in}, 1 / std::sqrt(in));
        o.bias = no_tensor;
        o.activation = Activation::silu;
        o.y = c.output("y", {plan.rows(), tokens, out});
        c.add(o);
        c.check(GetParam(), plan.steps - 1);
      }
    }
  }
}

TEST_P(QuantisedOps, GatedLinearAdd) {
  for (const DType dtype : dtypes) {
    for (const auto& [plan, tokens, in, out] : sizes) {
      OpCase c(plan, dtype);
      c.add(op::GatedLinearAdd{.x = c.input("h", {plan.rows(), tokens, in}),
                               .weight = c.weight("w", {out, in}, 1 / std::sqrt(in)),
                               .bias = no_tensor,
                               .modulation = modulation(c, out, false),
                               .residual = c.input("residual", {plan.rows(), tokens, out})});
      c.check(GetParam(), plan.steps - 1);
    }
  }
}

TEST_P(QuantisedOps, EmbedAndFinal) {
  const Shape image = {1, 4, 8, 12};
  const std::uint32_t patch = 4, tokens = 6, features = 64, dim = 96;
  for (const DType dtype : dtypes) {
    OpCase first({.batch = 2}, dtype, image);
    op::Embed embed{};
    embed.x = first.x();
    embed.weight = first.weight("w", {dim, features}, 1 / std::sqrt(features));
    embed.bias = first.weight("b", {dim});
    embed.position = first.weight("pos_embed", {tokens, dim});
    embed.y = first.output("y", {2, tokens, dim});
    embed.patch = embed.window = patch;
    first.add(embed);
    first.check(GetParam());

    OpCase last({.batch = 2}, dtype, image);
    op::Final final{};
    final.x = last.input("h", {2, tokens, dim}, 3);
    final.modulation = modulation(last, dim, true);
    final.norm = {.eps = 1e-5f};
    final.weight = last.weight("w", {features, dim}, 1 / std::sqrt(dim));
    final.bias = last.weight("b", {features});
    final.patch = final.window = patch;
    final.y = last.output("y", {2, 4, 8, 12});
    last.add(final);
    last.check(GetParam());
  }
}

INSTANTIATE_TEST_SUITE_P(Executors, QuantisedOps, ::testing::Values("cpu", "vulkan"),
                         [](const auto& instance) { return instance.param; });

}  // namespace
}  // namespace dit::test
