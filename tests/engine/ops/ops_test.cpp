// SPDX-License-Identifier: MIT
// Matrix products and attention, with f32 and f16 weights.
#include "tests/engine/ops/ops_test.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

namespace dit::test {
namespace {

struct ProductShape {
  PlanShape plan;
  std::uint32_t tokens, in, out;
};

const ProductShape product_shapes[] = {
    {{.batch = 1}, 1, 1, 1},
    {{.batch = 1}, 1, 3, 2},
    {{.batch = 2, .conditions = 2, .steps = 3}, 3, 7, 5},
    {{.batch = 3, .conditions = 2, .steps = 2, .guided = true}, 35, 24, 72},
    {{.batch = 1, .conditions = 2, .steps = 2, .guided = true}, 6, 40, 24},
    {{.batch = 1}, 17, 33, 65},
    {{.batch = 1}, 31, 130, 129},
    {{.batch = 1, .conditions = 2, .steps = 4, .guided = true}, 64, 384, 384},
    {{.batch = 2}, 49, 512, 100},
};

TEST_P(Ops, Linear) {
  for (const DType dtype : dtypes) {
    for (const auto& [plan, tokens, in, out] : product_shapes) {
      for (const bool bias : {false, true}) {
        // The condition table is the left side, so its five columns are the inner size here.
        OpCase c(plan, dtype);
        c.add(op::Linear{.x = c.condition(),
                         .weight = c.weight("w", {out, 5}),
                         .bias = bias ? c.weight("b", {out}) : no_tensor,
                         .y = c.output("y", {plan.steps * plan.conditions, out})});
        c.check(GetParam());
      }
    }
  }
}

TEST_P(Ops, ModulatedLinear) {
  for (const DType dtype : dtypes) {
    for (const auto& [plan, tokens, in, out] : product_shapes) {
      for (const Activation activation :
           {Activation::none, Activation::silu, Activation::gelu_erf, Activation::gelu_tanh}) {
        OpCase c(plan, dtype);
        c.add(op::ModulatedLinear{.x = c.input("h", {plan.rows(), tokens, in}, 3),
                                  .modulation = modulation(c, in),
                                  .norm = {},
                                  .weight = c.weight("w", {out, in}, 1 / std::sqrt(in)),
                                  .bias = activation == Activation::none ? no_tensor : c.weight("b", {out}),
                                  .activation = activation,
                                  .y = c.output("y", {plan.rows(), tokens, out})});
        c.check(GetParam(), plan.steps - 1);
      }
    }
  }
}

TEST_P(Ops, ModulatedLinearOfConstantRows) {
  // Variance 0: only the eps keeps the norm finite, so an eps in the wrong place shows.
  OpCase c({.batch = 2}, DType::f32);
  const TensorId h = c.input("h", {2, 3, 8});
  c.add(op::ModulatedLinear{.x = h,
                            .modulation = modulation(c, 8),
                            .norm = {},
                            .weight = c.weight("w", {4, 8}),
                            .bias = no_tensor,
                            .activation = Activation::none,
                            .y = c.output("y", {2, 3, 4})});
  for (std::size_t i = 0; i < c.initial(h).size(); ++i) c.initial(h)[i] = i < 8 ? 1.5f : i % 2 ? 1e-3f : -1e-3f;
  c.check(GetParam());
}

TEST_P(Ops, ModulatedLinearOfEveryNorm) {
  using enum Norm::Type;
  // Rows small enough that an eps of 0.01 in the wrong place, or a divisor that is one off, shows.
  const Norm norms[] = {{layer, false, false, 1e-2f}, {layer, false, true, 1e-2f}, {layer, true, false, 1e-2f},
                        {layer, true, true, 1e-2f},   {rms, false, false, 1e-2f},  {rms, false, true, 1e-2f}};
  for (const Norm& norm : norms) {
    for (const std::uint32_t dim : {2u, 7u, 64u, 130u}) {
      OpCase c({.batch = 2, .conditions = 2, .steps = 2}, DType::f32);
      const TensorId h = c.input("h", {2, 5, dim}, 0.1);
      for (float& value : c.initial(h)) value += 0.05f;
      c.add(op::ModulatedLinear{.x = h,
                                .modulation = modulation(c, dim),
                                .norm = norm,
                                .weight = c.weight("w", {9, dim}, 1 / std::sqrt(dim)),
                                .bias = no_tensor,
                                .activation = Activation::none,
                                .y = c.output("y", {2, 5, 9})});
      c.check(GetParam(), 1);
    }
  }
}

TEST_P(Ops, ModulatedLinearOfSaturatedActivations) {
  for (const Activation activation : {Activation::silu, Activation::gelu_erf, Activation::gelu_tanh}) {
    OpCase c({.batch = 1}, DType::f32);
    c.add(op::ModulatedLinear{.x = c.input("h", {1, 5, 8}),
                              .modulation = modulation(c, 8),
                              .norm = {},
                              .weight = c.weight("w", {6, 8}, 200),
                              .bias = no_tensor,
                              .activation = activation,
                              .y = c.output("y", {1, 5, 6})});
    c.check(GetParam());
  }
}

TEST_P(Ops, ErfIsWithinAMillionthOfTheTrueFunction) {
  // One value a row: its norm is 0, so the left side is the shift, here 1, and output o is gelu(weight o).
  constexpr std::uint32_t points = 4001;
  OpCase c({.batch = 1}, DType::f32);
  const TensorId table = c.input("modulation", {1, 2});
  c.initial(table) = {1, 0};
  const TensorId weight = c.weight("w", {points, 1}, 0);
  const TensorId y = c.output("y", {1, 1, points});
  for (std::uint32_t i = 0; i < points; ++i) c.weight_values(weight)[i] = (static_cast<float>(i) - 2000) * 0.003f;
  c.add(op::ModulatedLinear{.x = c.input("h", {1, 1, 1}),
                            .modulation = {.table = table, .shift = 0, .scale = 1},
                            .norm = {},
                            .weight = weight,
                            .bias = no_tensor,
                            .activation = Activation::gelu_erf,
                            .y = y});
  c.check(GetParam(), 0, 1e-6);
  const std::vector<float> got = c.got(y);
  // In f16 x and gelu(x) = x·Φ(x) are each rounded by a part δ ≤ 2⁻¹¹, so 2·gelu(x)/x is off by at most
  // 2δ·(2Φ + x·φ(x)) ≤ 2δ·2.24, where exact arithmetic would be off by nothing.
  const double bound = bound_of(GetParam(), 1e-6) > 1e-6 ? 2 * 2.24 * 0x1p-11 + 1e-5 : 1e-6;
  for (std::uint32_t i = 0; i < points; ++i) {
    const double x = c.weight_values(weight)[i];
    if (x == 0) continue;
    const double erf = 2 * got[i] / x - 1;
    ASSERT_LE(std::fabs(erf - std::erf(x / std::sqrt(2.0))), bound) << "gelu at " << x;
  }
}

TEST_P(Ops, GatedLinearAdd) {
  for (const DType dtype : dtypes) {
    for (const auto& [plan, tokens, in, out] : product_shapes) {
      for (const bool bias : {false, true}) {
        OpCase c(plan, dtype);
        c.add(op::GatedLinearAdd{.x = c.input("h", {plan.rows(), tokens, in}),
                                 .weight = c.weight("w", {out, in}, 1 / std::sqrt(in)),
                                 .bias = bias ? c.weight("b", {out}) : no_tensor,
                                 .modulation = modulation(c, out),
                                 .residual = c.input("residual", {plan.rows(), tokens, out})});
        c.check(GetParam(), plan.steps - 1);
      }
    }
  }
}

TEST_P(Ops, GatedLinearAddWithoutGate) {
  for (const auto& [plan, tokens, in, out] : product_shapes) {
    OpCase c(plan, DType::f32);
    const TensorId table = c.input("modulation", {plan.steps * plan.conditions, 2});
    c.add(op::GatedLinearAdd{.x = c.input("h", {plan.rows(), tokens, in}),
                             .weight = c.weight("w", {out, in}, 1 / std::sqrt(in)),
                             .bias = out % 2 ? c.weight("b", {out}) : no_tensor,
                             .modulation = {.table = table, .gate = op::no_column},
                             .residual = c.input("residual", {plan.rows(), tokens, out})});
    c.check(GetParam(), plan.steps - 1);
  }
}

TEST_P(Ops, Attention) {
  struct AttentionShape {
    PlanShape plan;
    std::uint32_t tokens, heads, head_dim;
  };
  const AttentionShape shapes[] = {
      {{.batch = 1}, 1, 1, 1},    {{.batch = 1}, 3, 2, 5},   {{.batch = 2, .guided = true}, 35, 3, 8},
      {{.batch = 1}, 16, 1, 128}, {{.batch = 1}, 5, 1, 256}, {{.batch = 2}, 70, 2, 33},
      {{.batch = 1}, 256, 2, 64}, {{.batch = 2}, 64, 6, 64}, {{.batch = 1}, 130, 1, 16},
  };
  for (const auto& [plan, tokens, heads, head_dim] : shapes) {
    for (const bool norm : {false, true}) {
      OpCase c(plan, DType::f32);
      c.add(op::Attention{.qkv = c.input("qkv", {plan.rows(), tokens, 3 * heads * head_dim}),
                          .q_norm = norm ? c.weight("q_norm", {head_dim}, 0.5, 2) : no_tensor,
                          .k_norm = norm ? c.weight("k_norm", {head_dim}, 0.5, 2) : no_tensor,
                          .norm_eps = 1e-6f,
                          .heads = heads,
                          .y = c.output("y", {plan.rows(), tokens, heads * head_dim})});
      c.check(GetParam());
    }
  }
}

TEST_P(Ops, AttentionWithHugeScores) {
  // Without the maximum taken out first, exp overflows here.
  OpCase c({.batch = 1}, DType::f32);
  c.add(op::Attention{.qkv = c.input("qkv", {1, 9, 3 * 2 * 16}, 30),
                      .q_norm = no_tensor,
                      .k_norm = no_tensor,
                      .norm_eps = 0,
                      .heads = 2,
                      .y = c.output("y", {1, 9, 2 * 16})});
  // Scores of thousands carry f32 rounding of about 1e-4 into the exponent.
  c.check(GetParam(), 0, 2e-3);
}

}  // namespace

INSTANTIATE_TEST_SUITE_P(Executors, Ops, ::testing::Values("cpu", "vulkan"),
                         [](const auto& instance) { return instance.param; });
INSTANTIATE_TEST_SUITE_P(Fused, Ops, ::testing::ValuesIn(fused_kinds()),
                         [](const auto& instance) { return instance.param; });

}  // namespace dit::test
