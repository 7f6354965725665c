// SPDX-License-Identifier: MIT
// Quantised weights unpacked once, at load, give what unpacking them in each product gives, on both executors.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "engine/cpu/kernels/int8.h"
#include "engine/cpu/weight_store.h"
#include "engine/error.h"
#include "engine/model/convert.h"
#include "engine/network/dit.h"
#include "tests/engine/support/devices_under_test.h"
#include "tests/engine/support/random_weights.h"

namespace dit::test {
namespace {

constexpr DType dtypes[] = {DType::q8_0, DType::q4_0, DType::int8_g32, DType::int4_g32};

/// Rows that quantised types allow, and outputs past a tile and a panel.
Program small_program() {
  ModelConfig config;
  config.channels = 4;
  config.premultiplied = true;
  config.height = 8;
  config.width = 12;
  config.patch = 4;
  config.dim = 96;
  config.depth = 1;
  config.heads = 3;
  config.mlp_dim = 160;
  config.cond_dim = 32;
  config.time_dim = 8;
  return record(config, {.batch = 2, .conditions = 1, .steps = 2});
}

Request request_for(const Program& program) {
  const PlanShape& s = program.shape;
  Request request;
  for (std::uint64_t b = 0; b < s.batch; ++b) request.icons.push_back({.from = {.seed = 5, .index = b}});
  request.condition.assign(element_count(program.tensor(program.condition).shape), 0.5f);
  request.modulation_row.assign(std::size_t{s.steps} * s.rows(), 0);
  SolverRow row;
  row.a = row.b[0] = 0.5f;
  request.solver.assign(s.steps, row);
  for (std::uint32_t step = 0; step < s.steps; ++step)
    request.solver_row.insert(request.solver_row.end(), s.batch, step);
  return request;
}

class ExpandedWeights : public ExecutorTest {
 protected:
  static std::unique_ptr<Executor> open(const std::shared_ptr<const Weights>& weights, bool expand) {
    if (GetParam() == "cpu") return cpu::open(weights, {.threads = 2, .expand_weights = expand});
    return vulkan::open(weights, vulkan_index(),
                        {.precision = Precision::f32, .fusion = Fusion::op, .expand_weights = expand});
  }

  std::vector<float> painted(const std::shared_ptr<const Weights>& weights, bool expand) const {
    const auto executor = open(weights, expand);
    const auto plan = executor->plan(program_);
    plan->set_request(request_for(program_));
    plan->prepare(never_cancelled);
    plan->run(0, program_.shape.steps, never_cancelled);
    return plan->read(program_.x);
  }

  const Program program_ = small_program();
  const std::shared_ptr<const Weights> original_ = random_weights(program_);
};

TEST_P(ExpandedWeights, PaintTheSame) {
  const std::vector<float> exact = painted(original_, false);
  for (const DType dtype : dtypes) {
    const auto weights = convert(original_, {dtype});
    const std::vector<float> inside = painted(weights, false), expanded = painted(weights, true);
    EXPECT_NE(inside, exact) << name_of(dtype) << " changed nothing: was anything quantised?";
    if (GetParam() == "cpu") {
      EXPECT_EQ(inside, expanded) << name_of(dtype);
      continue;
    }
    float largest = 0;
    for (const float value : inside) largest = std::max(largest, std::fabs(value));
    for (std::size_t i = 0; i < inside.size(); ++i)
      ASSERT_LE(std::fabs(inside[i] - expanded[i]), 1e-6f * largest) << name_of(dtype) << " at " << i;
  }
}

INSTANTIATE_TEST_SUITE_P(Executors, ExpandedWeights, ::testing::Values("cpu", "vulkan"),
                         [](const auto& instance) { return instance.param; });

TEST(ExpandedWeights, ArePackedAsF32OnTheCpu) {
  const std::string name = "blocks.0.mlp.fc1.weight";
  for (const DType dtype : dtypes) {
    const auto weights = convert(random_weights(small_program()), {dtype});
    const WeightView& view = weights->tensors.at(name);
    cpu::ThreadPool pool(1);
    for (const bool expand : {false, true}) {
      cpu::WeightStore store(weights, expand);
      store.add({{.name = name, .shape = view.shape, .matrix = true}}, pool);
      EXPECT_EQ(store.matrix(name).dtype, expand ? DType::f32 : DType::int8_g32) << name_of(dtype);
    }
  }
}

TEST(ExpandedWeights, AreAnotherKernelOnVulkan) {
  if (const std::string problem = vulkan_problem(); !problem.empty()) GTEST_SKIP() << "Vulkan: " << problem;
  const Program program = small_program();
  for (const bool expand : {false, true}) {
    const auto executor = vulkan::open(convert(random_weights(program), {DType::q4_0}), vulkan_index(),
                                       {.precision = Precision::f32, .fusion = Fusion::op, .expand_weights = expand});
    const auto plan = executor->plan(program);
    plan->set_request(request_for(program));
    const auto launches = vulkan::time_launches(*plan, 1, 1);
    if (launches.empty()) GTEST_SKIP() << "no clock on this device";
    const char* wanted = expand ? "modulated_linear_f32" : "modulated_linear_q4";
    EXPECT_TRUE(std::ranges::any_of(launches, [&](const auto& one) { return one.kernel.starts_with(wanted); }))
        << wanted;
  }
}

TEST(ExpandedWeights, AreRefusedWhereIntegersAreMultiplied) {
  try {
    cpu::open(random_weights(small_program()), {.threads = 1, .precision = Precision::int8, .expand_weights = true});
    ADD_FAILURE() << "no error";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::unsupported);
    EXPECT_NE(std::string(error.what()).find(cpu::int8_usable() ? "expanded" : "VNNI"), std::string::npos)
        << error.what();
  }
}

}  // namespace
}  // namespace dit::test
