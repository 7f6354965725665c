// SPDX-License-Identifier: MIT
// Whole steps one after another, with noise and earlier predictions in the solver, on Vulkan beside the CPU: where
// stages are fused, the last product of a step also takes the solver's step, which no op alone shows.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "engine/network/dit.h"
#include "tests/engine/support/devices_under_test.h"
#include "tests/engine/support/random_weights.h"

namespace dit::test {
namespace {

/// Rows of a patch are whole fours and windows do not overlap, so that the solver's step leaves the last product; 6
/// tokens fill no block. Where windows overlap it follows their sum.
ModelConfig small_config(std::uint32_t window = 0) {
  ModelConfig c;
  c.channels = 4;
  c.premultiplied = true;
  c.height = 8;
  c.width = 12;
  c.patch = 4;
  c.window = window;
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
  static const std::vector<std::uint8_t> sketch = [] {
    std::vector<std::uint8_t> bytes(std::size_t{5} * 8 * 12);
    for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<std::uint8_t>(i * 37 % 256);
    return bytes;
  }();
  for (std::uint64_t b = 0; b < s.batch; ++b) request.icons.push_back({.from = {.seed = 9, .index = b}});
  if (s.sketches) request.icons[0].sketch.rgba = std::span(sketch).first(std::size_t{4} * 8 * 12);
  if (s.masks) request.icons[0].sketch.mask = std::span(sketch).last(std::size_t{8} * 12);
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
    if (s.sketches) {
      row.first = step < 2 ? 0 : 2;
      row.before_alpha = row.after_alpha = 0.5f;
      row.before_sigma = row.after_sigma = 0.7f;
    }
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

void expect_like_the_cpu(const std::string& kind, bool sketches) {
  for (const auto& [window, guided] : {std::pair{0u, false}, {8u, true}, {0u, true}, {8u, false}}) {
    if (sketches && guided != (window > 0)) continue;  // every kind of kernel takes long to compile
    const Program program = record(small_config(window), {.batch = 2,
                                                          .conditions = guided ? 2u : 1u,
                                                          .steps = 5,
                                                          .guided = guided,
                                                          .sketches = sketches,
                                                          .masks = sketches && guided});
    const auto weights = random_weights(program);
    const std::vector<float> expected = x_after("cpu", weights, program), got = x_after(kind, weights, program);
    float largest = 0;
    for (const float value : expected) largest = std::max(largest, std::fabs(value));
    ASSERT_EQ(got.size(), expected.size());
    for (std::size_t i = 0; i < got.size(); ++i)
      ASSERT_LE(std::fabs(got[i] - expected[i]), 1e-5f * largest)
          << "window " << window << (guided ? ", guided" : "") << ", at " << i;
  }
}

TEST_P(WholeSteps, EndLikeThoseOfTheCpu) { expect_like_the_cpu(GetParam(), false); }

TEST_P(WholeSteps, OfSketchesEndLikeThoseOfTheCpu) { expect_like_the_cpu(GetParam(), true); }

TEST_P(WholeSteps, AreTheSameHoweverARunIsCut) {
  const Program program = record(small_config(), {.batch = 2, .conditions = 2, .steps = 150, .guided = true});
  const auto executor = open_executor(GetParam(), random_weights(program));
  const auto plan = executor->plan(program);
  plan->set_request(request_for(program));
  plan->prepare(never_cancelled);
  std::vector<float> expected;
  const std::vector<std::vector<std::uint32_t>> cuts = {{150}, {150}, {1, 2, 67, 150}, {63, 65, 129, 150}, {64, 150}};
  for (const auto& ends : cuts) {
    std::uint32_t first = 0;
    for (const std::uint32_t end : ends) plan->run(std::exchange(first, end), end, never_cancelled);
    const std::vector<float> x = plan->read(program.x);
    if (expected.empty()) expected = x;
    EXPECT_EQ(x, expected) << ends.front();
  }
}

std::vector<std::string> exact_kinds() {
  std::vector<std::string> kinds = {"vulkan", "vulkan_block_f32"};
  for (const std::string& kind : fused_kinds()) {
    if (kind == "vulkan_single_f32") kinds.push_back(kind);
  }
  return kinds;
}

INSTANTIATE_TEST_SUITE_P(Executors, WholeSteps, ::testing::ValuesIn(exact_kinds()),
                         [](const auto& instance) { return instance.param; });

}  // namespace
}  // namespace dit::test
