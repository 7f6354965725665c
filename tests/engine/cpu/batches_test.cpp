// SPDX-License-Identifier: MIT
// Rows of a batch go through a block one or two at a time where there are enough for all threads.
#include <gtest/gtest.h>

#include <algorithm>
#include <span>
#include <vector>

#include "engine/cpu/executor.h"
#include "engine/network/dit.h"
#include "tests/engine/cpu/odd_network.h"
#include "tests/engine/support/random_weights.h"

namespace dit::test {
namespace {

/// Icons of two prompts and guidance beside each other: five threads share every op, one and two take rows in turn.
TEST(CpuBatches, RowsKeepTheirOwn) {
  constexpr PlanShape shape{.batch = 4, .conditions = 3, .steps = 2, .guided = true};
  for (const ModelConfig& config : odd_configs()) {
    const Program program = record(config, shape);
    const auto weights = random_weights(program);
    Request request = request_for(shape, config, 7);
    // Rows of a batch read conditions 0, 1, 0, 1 with guidance by 2.
    for (std::uint32_t i = 0; i < request.modulation_row.size(); ++i) {
      const std::uint32_t row = i % shape.rows();
      request.modulation_row[i] = i / shape.rows() * shape.conditions + (row < shape.batch ? row % 2 : 2);
    }
    std::vector<std::vector<float>> painted;
    for (const unsigned threads : {5u, 1u, 2u, 8u}) {
      const auto executor = cpu::open(weights, {.threads = threads});
      const auto plan = executor->plan(program);
      plan->set_request(request);
      plan->prepare(never_cancelled);
      plan->run(0, shape.steps, never_cancelled);
      painted.push_back(plan->read(program.x));
      EXPECT_EQ(painted.back(), painted.front()) << threads << " threads, context " << config.context;
    }
    const auto icon = [&](std::size_t i) {
      return std::span(painted[0]).subspan(i * painted[0].size() / 4, painted[0].size() / 4);
    };
    EXPECT_FALSE(std::ranges::equal(icon(0), icon(2))) << "two seeds are the same";
  }
}

/// More threads than rows by one in twenty, where each of them would have next to nothing to wait for.
TEST(CpuBatches, ThreadsBeyondTheRowsHaveNoPlaceOfTheirOwn) {
  const ModelConfig config = odd_config();
  const PlanShape shape{.batch = 20, .conditions = 1, .steps = 1};
  const Program program = record(config, shape);
  const auto weights = random_weights(program);
  std::vector<std::vector<float>> painted;
  for (const unsigned threads : {1u, 20u, 21u}) {
    const auto executor = cpu::open(weights, {.threads = threads});
    const auto plan = executor->plan(program);
    plan->set_request(request_for(shape, config, 0));
    plan->prepare(never_cancelled);
    for (int i = 0; i < 20; ++i) plan->run(0, 1, never_cancelled);
    painted.push_back(plan->read(program.x));
    EXPECT_EQ(painted.back(), painted.front()) << threads;
  }
}

}  // namespace
}  // namespace dit::test
