// SPDX-License-Identifier: MIT
// How the CPU executor keeps weights: every type gives the bits of the same values in f32, and what is no number is
// refused.
#include <gtest/gtest.h>

#include <array>
#include <bit>
#include <cmath>
#include <limits>
#include <map>

#include "engine/cpu/executor.h"
#include "engine/cpu/kernels/targets.h"
#include "engine/error.h"
#include "engine/model/quantised.h"
#include "engine/network/dit.h"
#include "tests/bench/trial_network.h"

namespace dit::test {
namespace {

constexpr PlanShape two_icons{.batch = 2, .conditions = 1, .steps = 2};

/// Depths that quantised types allow; 81 outputs are a panel and a bit.
Program small_program() {
  ModelConfig config = bench::trial_config();
  config.height = config.width = 24;  // 9 tokens
  config.dim = 96;
  config.depth = 1;
  config.heads = 3;
  config.mlp_dim = 160;
  config.cond_dim = 32;
  config.window = 12;  // 576 features
  return record(config, two_icons);
}

/// The same values as f32, whatever type they had.
std::shared_ptr<Weights> in_f32(const Weights& weights) {
  auto same = std::make_shared<Weights>();
  auto owner = std::make_shared<std::map<std::string, std::vector<float>>>();
  for (const auto& [name, view] : weights.tensors) {
    const std::vector<float>& values = (*owner)[name] = read_f32(view);
    same->tensors[name] = {name, DType::f32, view.shape, std::as_bytes(std::span(values))};
  }
  same->owner = owner;
  return same;
}

/// Matrices in another type; vectors stay as they are.
std::shared_ptr<Weights> converted(const Weights& weights, DType dtype) {
  auto other = std::make_shared<Weights>(weights);
  auto owner = std::make_shared<std::map<std::string, Quantised>>();
  for (auto& [name, view] : other->tensors) {
    if (view.shape.size() < 2) continue;
    const std::vector<float> values = read_f32(view);
    Quantised& stored = (*owner)[name];
    if (is_quantised(dtype)) stored = quantise(dtype, values);
    for (std::size_t i = 0; dtype == DType::f16 && i < values.size(); ++i) {
      const auto half = std::bit_cast<std::array<std::byte, 2>>(float_to_half(values[i]));
      stored.bytes.insert(stored.bytes.end(), half.begin(), half.end());
    }
    view.dtype = dtype;
    view.bytes = stored.bytes;
    view.scales = stored.scales;
  }
  other->owner = owner;
  return other;
}

std::vector<float> painted(const std::shared_ptr<const Weights>& weights, const Program& program) {
  const auto executor = cpu::open(weights, {.threads = 2});
  const auto plan = executor->plan(program);
  plan->set_request(bench::request_for(program));
  plan->prepare(never_cancelled);
  plan->run(0, two_icons.steps, never_cancelled);
  return plan->read(program.x);
}

TEST(CpuWeights, SameBitsAsTheSameWeightsInF32) {
  const Program program = small_program();
  const auto original = bench::random_weights(program, DType::f32);
  for (const std::string& target : cpu::usable_targets()) {
    cpu::force_target(target);
    for (const DType dtype : {DType::f16, DType::q8_0, DType::int4_g32}) {
      const auto weights = converted(*original, dtype);
      const std::vector<float> x = painted(weights, program);
      for (const float value : x) ASSERT_TRUE(std::isfinite(value));
      EXPECT_EQ(x, painted(in_f32(*weights), program)) << target << " " << name_of(dtype);
    }
  }
  cpu::force_target("");
}

void expect_refused(const std::shared_ptr<const Weights>& weights, const Program& program, const std::string& name) {
  try {
    cpu::open(weights, {.threads = 2})->plan(program);
    ADD_FAILURE() << name << ": no error";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::wrong_format);
    EXPECT_NE(std::string(error.what()).find(name), std::string::npos) << error.what();
  }
}

TEST(CpuWeights, WhatIsNotFiniteIsAnError) {
  const Program program = small_program();
  const auto weights = bench::random_weights(program, DType::f32);
  for (const char* name : {"blocks.0.mlp.fc1.weight", "patch_embed.bias", "pos_embed"}) {
    auto values = read_f32(weights->tensors.at(name));
    for (const float bad : {std::numeric_limits<float>::infinity(), -std::numeric_limits<float>::quiet_NaN()}) {
      values[values.size() - 3] = bad;
      auto changed = std::make_shared<Weights>(*weights);
      changed->tensors[name].bytes = std::as_bytes(std::span(values));
      expect_refused(changed, program, name);
      expect_refused(converted(*changed, DType::f16), program, name);
    }
  }
}

}  // namespace
}  // namespace dit::test
