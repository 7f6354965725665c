// SPDX-License-Identifier: MIT
// Networks of other shapes than the shipped one, recorded by dit.cpp and held against the scalar twins op by op.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>
#include <span>
#include <string>

#include "engine/error.h"
#include "engine/model/vocabulary.h"
#include "engine/network/conditioning.h"
#include "engine/network/dit.h"
#include "tests/engine/support/devices_under_test.h"
#include "tests/engine/support/random_weights.h"
#include "tests/reference/oracle.h"

namespace dit::test {
namespace {

/// Every choice as the favicon diffusor makes it, in a small size: one wide head, no gates, no biases, no words.
ModelConfig diffusor_like() {
  ModelConfig c;
  c.channels = 3;
  c.height = 8;
  c.width = 12;
  c.patch = 4;
  c.dim = 20;
  c.depth = 2;
  c.heads = 1;
  c.head_dim = 12;
  c.mlp_dim = 36;
  c.cond_dim = 7;
  c.time_dim = 8;
  c.time_inclusive = true;
  c.time_bias = c.outer_bias = c.gated = c.has_styles = c.has_words = false;
  c.condition_activation = Activation::none;
  c.norm.eps = 1e-8f;
  c.rounding = Rounding::floor;
  c.prediction = Prediction::epsilon;
  c.schedule.type = ScheduleType::vp_cosine;
  return c;
}

/// Overlapping windows, heads that do not add up to dim, RMS norm, GELU, biases everywhere.
ModelConfig windowed() {
  ModelConfig c;
  c.channels = 4;
  c.premultiplied = true;
  c.height = 12;
  c.width = 8;
  c.patch = 4;
  c.window = 10;
  c.dim = 24;
  c.depth = 2;
  c.heads = 3;
  c.head_dim = 16;
  c.mlp_dim = 40;
  c.cond_dim = 12;
  c.time_dim = 8;
  c.bias = c.qk_norm = true;
  c.activation = Activation::gelu_tanh;
  c.norm.type = Norm::Type::rms;
  return c;
}

/// The norm that the favicon diffusor was trained with, and exact GELU.
ModelConfig torch_norm() {
  ModelConfig c = diffusor_like();
  c.norm = {.unbiased = true, .eps_outside = true, .eps = 1e-5f};
  c.activation = Activation::gelu_erf;
  return c;
}

Request request_for(const Program& program) {
  const PlanShape& s = program.shape;
  Request request;
  std::mt19937 random(5);
  std::normal_distribution<float> normal;
  request.condition.resize(element_count(program.tensor(program.condition).shape));
  for (float& value : request.condition) value = normal(random);
  for (std::uint32_t b = 0; b < s.batch; ++b) request.icons.push_back({.from = {.seed = 3, .index = b}});
  for (std::uint32_t step = 0; step < s.steps; ++step) {
    SolverRow row;
    row.a = 0.5f;
    row.b[0] = 0.7f;
    row.c = 0.1f;
    row.guidance = 1.5f;
    request.solver.push_back(row);
    request.solver_row.insert(request.solver_row.end(), s.batch, step);
    for (std::uint32_t r = 0; r < s.rows(); ++r) request.modulation_row.push_back(s.conditions * step + r / s.batch);
  }
  return request;
}

class Variants : public ExecutorTest {
 protected:
  /// Two steps of two guided icons, every op's output compared.
  void check(const ModelConfig& config) {
    const Program program = record(config, {.batch = 2, .conditions = 2, .steps = 2, .guided = true});
    const auto weights = random_weights(program);
    const Request request = request_for(program);
    reference::Oracle oracle(weights, program);
    const auto executor = open_executor(GetParam(), weights);
    const auto plan = executor->plan(program);
    oracle.set_request(request);
    plan->set_request(request);
    const auto compare = [&](std::uint32_t step) {
      return [&oracle, step](const Op& op, const Shape&, std::span<const float> values) {
        oracle.run(op.what, step);
        const reference::Values& expected = oracle[output_of(op.what)];
        double largest = 1e-30, worst = 0;
        for (const double value : expected) largest = std::max(largest, std::fabs(value));
        for (std::size_t i = 0; i < values.size(); ++i) {
          const double error = std::fabs(values[i] - expected[i]);
          if (!(error <= worst)) worst = error;
        }
        // Bytes may round the other way.
        const bool bytes = std::holds_alternative<op::ToRgba>(op.what);
        EXPECT_LE(worst, bytes ? 1.0 : 1e-5 * largest) << op.label << " at step " << step;
      };
    };
    plan->capture(true, 0, compare(0));
    plan->capture(false, 0, compare(0));
    plan->capture(false, 1, compare(1));
  }
};

TEST_P(Variants, OneWideHeadWithoutGatesBiasesOrWords) { check(diffusor_like()); }
TEST_P(Variants, OverlappingWindowsAndNarrowHeads) { check(windowed()); }
TEST_P(Variants, UnbiasedNormAndExactGelu) { check(torch_norm()); }

INSTANTIATE_TEST_SUITE_P(Executors, Variants, ::testing::Values("cpu", "vulkan"),
                         [](const auto& instance) { return instance.param; });

TEST(Variants, AbsentPartsHaveNoTensors) {
  for (const TensorInfo& tensor : record(diffusor_like(), {}).tensors) {
    EXPECT_FALSE(tensor.kind == TensorKind::weight && tensor.name.ends_with(".bias")) << tensor.name;
    if (tensor.name == "blocks.0.modulation") {
      EXPECT_EQ(tensor.shape.at(1), 4u * 20);
    }
    if (tensor.name == "qkv") {
      EXPECT_EQ(tensor.shape.at(2), 36u);
    }
  }
}

TEST(Variants, WordsAndStylesAreRefusedByAModelWithoutThem) {
  ModelConfig config = diffusor_like();
  config.name = "hippo";
  EXPECT_EQ(parse_label(config, " ", ""), Label{});
  const auto error_of = [&](const char* prompt, const char* style) -> std::string {
    try {
      parse_label(config, prompt, style);
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::settings);
      return error.what();
    }
    return "no error";
  };
  EXPECT_EQ(error_of("red fox", ""), "prompt 'red fox': model hippo was trained without words");
  EXPECT_EQ(error_of("", "flat"), "no style 'flat': model hippo was trained without styles");
}

}  // namespace
}  // namespace dit::test
