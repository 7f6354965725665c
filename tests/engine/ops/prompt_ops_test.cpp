// SPDX-License-Identifier: MIT
// What attention sees of a prompt: its keys and values beside the picture's, and the norm that they had before.
#include <gtest/gtest.h>

#include <cmath>

#include "tests/engine/ops/ops_test.h"

namespace dit::test {
namespace {

struct PromptShape {
  PlanShape plan;
  std::uint32_t tokens, prompt, heads, head_dim;
};

// A prompt of one row and of several, that fills vectors and that does not, behind as many tokens or more or fewer;
// rows of the batch that share a prompt, and that do not.
const PromptShape prompt_shapes[] = {
    {{.batch = 1}, 1, 1, 1, 1},
    {{.batch = 1}, 3, 2, 2, 5},
    {{.batch = 2, .conditions = 2, .steps = 3, .guided = true}, 35, 9, 3, 8},
    {{.batch = 1}, 16, 17, 1, 128},
    {{.batch = 3, .conditions = 4, .steps = 2, .guided = true}, 6, 4, 3, 11},
    {{.batch = 2, .conditions = 3, .steps = 2}, 70, 2, 2, 33},
    {{.batch = 1}, 5, 40, 1, 20},
    {{.batch = 1}, 247, 9, 2, 64},
    {{.batch = 1}, 4, 3, 19, 6},  // more heads than are normed at a time
    {{.batch = 1, .conditions = 2, .steps = 4, .guided = true}, 64, 9, 8, 64},
};

TEST_P(Ops, AttentionWithPrompts) {
  for (const auto& [plan, tokens, prompt, heads, head_dim] : prompt_shapes) {
    for (const bool norm : {false, true}) {
      OpCase c(plan, DType::f32);
      c.add(op::Attention{.qkv = c.input("qkv", {plan.rows(), tokens, 3 * heads * head_dim}),
                          .q_norm = norm ? c.weight("q_norm", {head_dim}, 0.5, 2) : no_tensor,
                          .k_norm = norm ? c.weight("k_norm", {head_dim}, 0.5, 2) : no_tensor,
                          .norm_eps = 1e-6f,
                          .heads = heads,
                          .y = c.output("y", {plan.rows(), tokens, heads * head_dim}),
                          .context = c.input("prompts", {plan.conditions * prompt, 2 * heads * head_dim})});
      c.check(GetParam(), plan.steps - 1);
    }
  }
}

TEST_P(Ops, AttentionToAPromptAlone) {
  // The picture's keys are far from every query, so that the answer is the prompt's values: here one row of them.
  OpCase c({.batch = 1}, DType::f32);
  const TensorId qkv = c.input("qkv", {1, 3, 12}), prompt = c.input("prompts", {1, 8});
  for (std::size_t t = 0; t < 3; ++t)
    for (std::size_t i = 0; i < 12; ++i) c.initial(qkv)[12 * t + i] = i < 4 ? 8.f : i < 8 ? -8.f : 100.f;
  c.initial(prompt) = {8, 8, 8, 8, 1, -2, 3, -4};
  const TensorId y = c.output("y", {1, 3, 4});
  c.add(op::Attention{
      .qkv = qkv, .q_norm = no_tensor, .k_norm = no_tensor, .norm_eps = 0, .heads = 1, .y = y, .context = prompt});
  c.check(GetParam());
  for (std::size_t i = 0; i < c.got(y).size(); ++i) EXPECT_NEAR(c.got(y)[i], c.initial(prompt)[4 + i % 4], 0.01) << i;
}

TEST_P(Ops, HeadNorm) {
  for (const auto& [plan, tokens, prompt, heads, head_dim] : prompt_shapes) {
    // Keys before values, or as good as no columns after them.
    for (const std::uint32_t more : {heads * head_dim, 1u, 0u}) {
      OpCase c(plan, DType::f32);
      c.add(op::HeadNorm{.x = c.input("prompts", {plan.conditions * prompt, heads * head_dim + more}, 0.01),
                         .weight = c.weight("k_norm", {head_dim}, 0.5, 2),
                         .norm_eps = 1e-4f,  // as large as the mean of the squares
                         .heads = heads});
      c.check(GetParam());
    }
  }
}

}  // namespace
}  // namespace dit::test
