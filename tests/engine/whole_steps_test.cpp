// SPDX-License-Identifier: MIT
// Whole steps one after another, with noise and earlier predictions in the solver, on Vulkan beside the CPU: where
// stages are fused, the last product of a step also takes the solver's step, which no op alone shows.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "engine/dit.h"
#include "tests/engine/devices_under_test.h"
#include "tests/engine/random_weights.h"

namespace dit::test {
namespace {

/// Rows of a patch are whole fours and windows do not overlap, as the fused solver's step needs; 6 tokens fill no
/// block.
ModelConfig small_config() {
  ModelConfig c;
  c.channels = 4;
  c.premultiplied = true;
  c.height = 8;
  c.width = 12;
  c.patch = 4;
  c.dim = 24;
  c.depth = 1;
  c.heads = 3;
  c.mlp_dim = 40;
  c.cond_dim = 12;
  c.time_dim = 8;
  c.qk_norm = true;
  return c;
}

/// Every term of the solver is in use once there is a prediction for it; icons start at different rows.
Request request_for(const Program& program) {
  const PlanShape& s = program.shape;
  Request request;
  for (std::uint64_t b = 0; b < s.batch; ++b) request.icons.push_back({.from = {.seed = 9, .index = b}});
  for (std::size_t i = 0; i < element_count(program.tensor(program.condition).shape); ++i)
    request.condition.push_back(std::sin(static_cast<float>(i)));
  for (std::uint32_t step = 0; step < s.steps; ++step) {
    SolverRow row;
    row.from_x = 0.2f;
    row.from_e = 0.8f;
    row.a = 0.5f;
    row.b[0] = 0.6f;
    for (std::uint32_t i = 1; i <= std::min(step, 3u); ++i) row.b[i] = -0.1f * static_cast<float>(i);
    row.c = 0.3f;
    row.guidance = 1.5f;
    request.solver.push_back(row);
    request.solver_row.insert(request.solver_row.end(), s.batch, step);
    for (std::uint32_t r = 0; r < s.rows(); ++r)
      request.modulation_row.push_back(step * s.conditions + (s.guided ? r / s.batch : 0));
  }
  return request;
}

std::vector<float> x_after(const std::string& kind, const std::shared_ptr<const Weights>& weights,
                           const Program& program) {
  const auto executor = open_executor(kind, weights);
  const auto plan = executor->plan(program);
  plan->set_request(request_for(program));
  plan->prepare(never_cancelled);
  plan->run(0, program.shape.steps, never_cancelled);
  return plan->read(program.x);
}

class WholeSteps : public ExecutorTest {};

TEST_P(WholeSteps, EndLikeThoseOfTheCpu) {
  for (const bool guided : {false, true}) {
    const Program program =
        record(small_config(), {.batch = 2, .conditions = guided ? 2u : 1u, .steps = 5, .guided = guided});
    const auto weights = random_weights(program);
    const std::vector<float> expected = x_after("cpu", weights, program), got = x_after(GetParam(), weights, program);
    float largest = 0;
    for (const float value : expected) largest = std::max(largest, std::fabs(value));
    ASSERT_EQ(got.size(), expected.size());
    for (std::size_t i = 0; i < got.size(); ++i)
      ASSERT_LE(std::fabs(got[i] - expected[i]), 1e-5f * largest) << (guided ? "guided, " : "") << "at " << i;
  }
}

INSTANTIATE_TEST_SUITE_P(Executors, WholeSteps, ::testing::Values("vulkan", "vulkan_block_f32"),
                         [](const auto& instance) { return instance.param; });

}  // namespace
}  // namespace dit::test
