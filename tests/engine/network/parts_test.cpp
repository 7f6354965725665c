// SPDX-License-Identifier: MIT
// Networks that show attention the prompt and end in convolutions: whole steps against the scalar twins, and the rows
// of a prompt.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "engine/network/conditioning.h"
#include "engine/network/dit.h"
#include "tests/engine/support/devices_under_test.h"
#include "tests/engine/support/golden.h"
#include "tests/engine/support/random_weights.h"
#include "tests/reference/oracle.h"

namespace dit::test {
namespace {

struct Parts {
  std::uint32_t height, width, patch, context;
  std::optional<DetailConfig> detail;
  bool qk_norm = true, guided = true;
};

const Parts all_parts[] = {
    {.height = 12, .width = 8, .patch = 4, .context = 3, .detail = DetailConfig{5, 7, 4}},
    {.height = 8, .width = 20, .patch = 4, .context = 0, .detail = DetailConfig{1, 1, 2}, .guided = false},
    {.height = 6, .width = 10, .patch = 2, .context = 1, .detail = DetailConfig{16, 48, 3}, .qk_norm = false},
    {.height = 10, .width = 6, .patch = 2, .context = 16, .detail = {}, .guided = false},
    {.height = 32, .width = 32, .patch = 4, .context = 8, .detail = DetailConfig{3, 5, 5}},
    {.height = 128, .width = 128, .patch = 16, .context = 8, .detail = DetailConfig{3, 4, 3}, .guided = false},
};

ModelConfig config_of(const Parts& parts) {
  ModelConfig c;
  c.channels = 4;
  c.premultiplied = true;
  c.height = parts.height;
  c.width = parts.width;
  c.patch = parts.patch;
  c.context = parts.context;
  c.detail = parts.detail;
  c.dim = 24;
  c.depth = 2;
  c.heads = 3;
  c.mlp_dim = 40;
  c.cond_dim = 20;
  c.qk_norm = parts.qk_norm;
  c.bias = true;
  return c;
}

/// Icons with a prompt each, one step apart from each other: a pipeline. The last condition is that of the unguided.
Request request_for(const Program& program) {
  const PlanShape& s = program.shape;
  Request request;
  for (std::uint64_t b = 0; b < s.batch; ++b) request.icons.push_back({.from = {.seed = 9, .index = b}});
  const auto fill = [&](TensorId id, std::vector<float>& values, float pace) {
    if (id == no_tensor) return;
    for (std::size_t i = 0; i < element_count(program.tensor(id).shape); ++i)
      values.push_back(std::sin(pace * static_cast<float>(i)));
  };
  fill(program.condition, request.condition, 1);
  fill(program.context, request.context, 1.7f);
  for (std::uint32_t step = 0; step < s.steps; ++step) {
    SolverRow row;
    row.from_e = 1;
    row.a = 0.4f;
    row.b[0] = 0.6f;
    row.b[1] = step > 0 ? -0.1f : 0;
    row.c = 0.2f;
    row.guidance = 1.5f;
    request.solver.push_back(row);
    for (std::uint32_t b = 0; b < s.batch; ++b) request.solver_row.push_back((step + b) % s.steps);
    for (std::uint32_t r = 0; r < s.rows(); ++r)
      request.modulation_row.push_back((step + r) % s.steps * s.conditions + std::min(r, s.conditions - 1));
  }
  return request;
}

class NetworkParts : public ExecutorTest {};

TEST_P(NetworkParts, WholeStepsMatchTheTwins) {
  for (const Parts& parts : all_parts) {
    const std::uint32_t batch = parts.height > 100 ? 1 : 3;
    const Program program = record(
        config_of(parts), {.batch = batch, .conditions = batch + parts.guided, .steps = 3, .guided = parts.guided});
    const auto weights = random_weights(program);
    const Request request = request_for(program);
    const auto executor = open_executor(GetParam(), weights);
    const auto plan = executor->plan(program);
    plan->set_request(request);
    plan->prepare(never_cancelled);
    plan->run(0, program.shape.steps, never_cancelled);
    reference::Oracle oracle(weights, program);
    oracle.set_request(request);
    oracle.prepare();
    for (std::uint32_t step = 0; step < program.shape.steps; ++step) oracle.step(step);
    const std::vector<float> got = plan->read(program.x);
    const reference::Values& expected = oracle[program.x];
    double largest = 0;
    for (const double value : expected) largest = std::max(largest, std::fabs(value));
    ASSERT_EQ(got.size(), expected.size());
    for (std::size_t i = 0; i < got.size(); ++i)
      ASSERT_LE(std::fabs(got[i] - expected[i]), 1e-5 * largest)
          << parts.height << "x" << parts.width << ", context " << parts.context << ", at " << i;
  }
}

INSTANTIATE_TEST_SUITE_P(Executors, NetworkParts, ::testing::Values("cpu", "vulkan", "vulkan_block_f32"),
                         [](const auto& instance) { return instance.param; });

/// tiny-detail: three words in attention, of seven.
class PromptRows : public ::testing::Test {
 protected:
  std::vector<float> context(const char* prompt, const char* style = "flat") const {
    return conditioning_.contexts(std::vector{parse_label(model_->config(), prompt, style)});
  }
  std::span<const float> row(const std::vector<float>& context, std::size_t i) const {
    return std::span(context).subspan(i * width_, width_);
  }
  static bool same(std::span<const float> a, std::span<const float> b) { return std::ranges::equal(a, b); }

  std::shared_ptr<const Model> model_ = Model::open(golden_path("tiny-detail.safetensors"));
  Conditioning conditioning_{model_};
  std::size_t width_ = model_->config().cond_dim;
};

/// Mean 0 and mean square 1, but for the eps of the norm.
void expect_normed(std::span<const float> row) {
  double sum = 0, squares = 0;
  for (const float value : row) sum += value, squares += double{value} * value;
  EXPECT_NEAR(sum, 0, 1e-5);
  EXPECT_NEAR(squares, static_cast<double>(row.size()), 1e-2);
}

TEST_F(PromptRows, FirstWordsInTheirOrderThenTheStyle) {
  const auto some = context("red green blue"), more = context("red green blue fox"), turned = context("green red blue");
  EXPECT_EQ(some.size(), conditioning_.context_size());
  EXPECT_EQ(some, more) << "a word past the last";
  for (const std::size_t i : {0u, 1u}) EXPECT_FALSE(same(row(some, i), row(turned, i))) << i;
  for (const std::size_t i : {2u, 3u}) EXPECT_TRUE(same(row(some, i), row(turned, i))) << i;
  const auto round = context("red green blue", "round");
  for (std::size_t i = 0; i < 4; ++i) EXPECT_EQ(same(row(some, i), row(round, i)), i < 3) << i;
  for (std::size_t i = 0; i < 4; ++i) expect_normed(row(some, i));
}

TEST_F(PromptRows, PlacesWithoutAWordAreThoseOfNoPrompt) {
  const auto one = context("fox"), none = context("", "");
  EXPECT_EQ(conditioning_.contexts(std::vector{conditioning_.null_label()}), none);
  EXPECT_FALSE(same(row(one, 0), row(none, 0)));
  EXPECT_TRUE(same(row(one, 1), row(none, 1)));
  EXPECT_TRUE(same(row(one, 2), row(none, 2)));
  EXPECT_FALSE(same(row(none, 1), row(none, 2))) << "places have positions";
}

TEST_F(PromptRows, BetweenTwoEveryRowStaysNormed) {
  const auto from = context("red fox"), toward = context("tree", "line");
  std::vector<float> between(from.size());
  blend_contexts(from, toward, width_, 0, between);
  EXPECT_EQ(between, from);
  blend_contexts(from, toward, width_, 1, between);
  EXPECT_EQ(between, toward);
  blend_contexts(from, toward, width_, 0.5, between);
  for (std::size_t i = 0; i < 4; ++i) expect_normed(row(between, i));
  EXPECT_FALSE(same(row(between, 0), row(from, 0)));
}

TEST_F(PromptRows, AModelWithoutContextHasNone) {
  const auto model = Model::open(golden_path("tiny.safetensors"));
  const Conditioning conditioning(model);
  EXPECT_EQ(conditioning.context_size(), 0u);
  EXPECT_TRUE(conditioning.contexts(std::vector{conditioning.null_label()}).empty());
}

}  // namespace
}  // namespace dit::test
