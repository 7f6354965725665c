// SPDX-License-Identifier: MIT
// What a network of random weights makes in three steps, in a precision of the CPU.
#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <memory>
#include <vector>

#include "engine/cpu/executor.h"
#include "engine/network/dit.h"
#include "tests/bench/trial_network.h"

namespace dit::test {

/// x after the last step, of a whole batch.
inline std::vector<float> paint(const ModelConfig& config, const std::shared_ptr<const Weights>& weights,
                                Precision precision, unsigned threads, std::uint32_t batch) {
  const Program program = record(config, {.batch = batch, .conditions = 1, .steps = 3});
  const auto executor = cpu::open(weights, {.threads = threads, .precision = precision});
  EXPECT_EQ(executor->info().precision, name_of(precision));
  const auto plan = executor->plan(program);
  plan->set_request(bench::request_for(program));
  plan->prepare(never_cancelled);
  plan->run(0, 3, never_cancelled);
  return plan->read(program.x);
}

}  // namespace dit::test
