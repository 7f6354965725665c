// SPDX-License-Identifier: MIT
// The kernels for matrix hardware on any device: matrices emulated (DIT_MATRIX=emulated), everything else as it is. One
// awkward shape an op, as a software device takes seconds to compile each; the whole tables run on GPUs.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "engine/network/dit.h"
#include "engine/session/device.h"
#include "engine/session/trial/self_test.h"
#include "tests/engine/ops/op_case.h"
#include "tests/engine/support/devices_under_test.h"
#include "tests/engine/support/golden.h"
#include "tests/engine/support/random_weights.h"

namespace dit::test {
namespace {

class MatrixKernels : public ::testing::Test {
 protected:
  void SetUp() override {
    setenv("DIT_MATRIX", "emulated", 1);
    if (const std::string problem = problem_of("vulkan_op_matrix"); !problem.empty()) GTEST_SKIP() << problem;
  }
  void TearDown() override { unsetenv("DIT_MATRIX"); }

  /// Chunks out of order, from odd columns on.
  static op::Modulation modulation(OpCase& c, std::uint32_t dim) {
    const std::uint32_t rows = c.shape().steps * c.shape().conditions;
    return {
        .table = c.input("modulation", {rows, 4 * dim + 3}, 0.5), .shift = 2 * dim + 1, .scale = 1, .gate = dim + 1};
  }
};

TEST_F(MatrixKernels, NormAndProduct) {
  // 9 blocks of depth, which eight warps share unevenly; rows and columns that end within a block.
  for (const auto& [kind, activation] : {std::pair{"vulkan_none_matrix", Activation::gelu_tanh},
                                         {"vulkan_op_matrix", Activation::gelu_tanh},
                                         {"vulkan_op_matrix", Activation::gelu_erf}}) {
    OpCase c({.batch = 2, .conditions = 2, .steps = 2}, DType::f32);
    c.add(op::ModulatedLinear{.x = c.input("h", {2, 35, 130}, 3),
                              .modulation = modulation(c, 130),
                              .norm = {},
                              .weight = c.weight("w", {37, 130}, 1 / std::sqrt(130)),
                              .bias = c.weight("b", {37}),
                              .activation = activation,
                              .y = c.output("y", {2, 35, 37})});
    c.check(kind, 1);
  }
}

TEST_F(MatrixKernels, GatedProduct) {
  OpCase c({.batch = 2, .conditions = 2, .steps = 2}, DType::f32);
  c.add(op::GatedLinearAdd{.x = c.input("h", {2, 35, 150}),
                           .weight = c.weight("w", {37, 150}, 1 / std::sqrt(150)),
                           .bias = c.weight("b", {37}),
                           .modulation = modulation(c, 37),
                           .residual = c.input("residual", {2, 35, 37})});
  c.check("vulkan_op_matrix", 1);
}

TEST_F(MatrixKernels, Attention) {
  // Keys that end within a block, heads that end within one, norms of q and k.
  for (const bool norm : {false, true}) {
    OpCase c({.batch = 2}, DType::f32);
    c.add(op::Attention{.qkv = c.input("qkv", {2, 35, 3 * 2 * 20}),
                        .q_norm = norm ? c.weight("q_norm", {20}, 0.5, 2) : no_tensor,
                        .k_norm = norm ? c.weight("k_norm", {20}, 0.5, 2) : no_tensor,
                        .norm_eps = 1e-6f,
                        .heads = 2,
                        .y = c.output("y", {2, 35, 40})});
    c.check("vulkan_op_matrix");
  }
}

TEST_F(MatrixKernels, AttentionToAPrompt) {
  // A prompt a row of the batch, out of order; keys of the picture and of the prompt that end within a block.
  for (const auto& [norm, prompt] : {std::pair{false, 16u}, {true, 33u}}) {
    OpCase c({.batch = 2, .conditions = 2, .steps = 2, .guided = true}, DType::f32);
    c.add(op::Attention{.qkv = c.input("qkv", {4, 35, 3 * 2 * 20}),
                        .q_norm = norm ? c.weight("q_norm", {20}, 0.5, 2) : no_tensor,
                        .k_norm = norm ? c.weight("k_norm", {20}, 0.5, 2) : no_tensor,
                        .norm_eps = 1e-6f,
                        .heads = 2,
                        .y = c.output("y", {4, 35, 40}),
                        .context = c.input("prompts", {2 * prompt, 2 * 40})});
    c.check("vulkan_op_matrix", 1);
  }
}

TEST_F(MatrixKernels, Convolution) {
  for (const bool residual : {false, true}) {
    OpCase c({.batch = 2, .guided = true}, DType::f32, {2, 3, 7, 9});
    const std::uint32_t in = residual ? 20 : 5, beside = residual ? 0 : 3;
    c.add(op::Conv{.x = c.input("h", {4, in, 7, 9}),
                   .picture = residual ? no_tensor : c.x(),
                   .weight = c.weight("w", {20, in + beside, 3, 3}, 0.1),
                   .bias = c.weight("b", {20}),
                   .activation = Activation::silu,
                   .residual = residual,
                   .y = c.output("y", {4, 20, 7, 9})});
    c.check("vulkan_op_matrix");
  }
}

TEST_F(MatrixKernels, EmbedAndFinal) {
  OpCase embed({.batch = 2}, DType::f32, {2, 3, 8, 12});
  embed.add(op::Embed{.x = embed.x(),
                      .weight = embed.weight("w", {40, 48}, 0.2),
                      .bias = embed.weight("b", {40}),
                      .position = embed.weight("pos", {6, 40}),
                      .y = embed.output("y", {2, 6, 40}),
                      .patch = 4,
                      .window = 4});
  embed.check("vulkan_op_matrix");
  // Windows that overlap, of whole fours and not.
  for (const std::uint32_t window : {8u, 6u}) {
    OpCase over({.batch = 2}, DType::f32, {2, 3, 16, 16});
    over.add(op::Embed{.x = over.x(),
                       .weight = over.weight("w", {40, 3 * window * window}, 0.2),
                       .bias = no_tensor,
                       .position = over.weight("pos", {16, 40}),
                       .y = over.output("y", {2, 16, 40}),
                       .patch = 4,
                       .window = window});
    over.check("vulkan_op_matrix");
  }
  // They pass through rows of their own.
  for (const std::uint32_t window : {4u, 6u}) {
    OpCase last({.batch = 2}, DType::f32, {2, 3, 8, 12});
    last.add(op::Final{.x = last.input("h", {2, 6, 40}),
                       .modulation = modulation(last, 40),
                       .norm = {},
                       .weight = last.weight("w", {3 * window * window, 40}, 0.2),
                       .bias = last.weight("b", {3 * window * window}),
                       .patch = 4,
                       .window = window,
                       .y = last.output("y", {2, 3, 8, 12})});
    last.check("vulkan_op_matrix");
  }
}

/// Pictures of 20 × 20 in 25 tokens, which end within a block.
ModelConfig awkward(std::uint32_t dim, std::uint32_t heads, std::uint32_t head_dim = 0) {
  ModelConfig c;
  c.channels = 4;
  c.premultiplied = true;
  c.height = c.width = 20;
  c.patch = 4;
  c.dim = dim;
  c.depth = 1;
  c.heads = heads;
  c.head_dim = head_dim;
  c.mlp_dim = 80;
  c.cond_dim = 12;
  c.time_dim = 8;
  return c;
}

/// Each icon has a condition of its own.
Request request_for(const Program& program) {
  const PlanShape& shape = program.shape;
  Request request;
  for (std::uint64_t b = 0; b < shape.batch; ++b) request.icons.push_back({.from = {.seed = 9, .index = b}});
  for (std::size_t i = 0; i < element_count(program.tensor(program.condition).shape); ++i)
    request.condition.push_back(std::sin(static_cast<float>(i)));
  if (program.context != no_tensor) {
    for (std::size_t i = 0; i < element_count(program.tensor(program.context).shape); ++i)
      request.context.push_back(std::sin(1.7f * static_cast<float>(i)));
  }
  request.solver.assign(shape.steps, {.from_e = 1, .a = 0.5f, .b = {0.5f}, .guidance = 1});
  for (std::uint32_t step = 0; step < shape.steps; ++step) {
    request.solver_row.insert(request.solver_row.end(), shape.batch, step);
    for (std::uint32_t r = 0; r < shape.rows(); ++r)
      request.modulation_row.push_back(step * shape.conditions + r % shape.conditions);
  }
  return request;
}

using Layers = std::map<std::string, std::vector<float>>;

/// What the ops of the second step leave, as far as a kind shows them, and the picture, by label.
Layers second_step(const std::string& kind, const Program& program, const std::shared_ptr<const Weights>& weights) {
  const auto executor = open_executor(kind, weights);
  const auto plan = executor->plan(program);
  plan->set_request(request_for(program));
  plan->prepare(never_cancelled);
  plan->run(0, 1, never_cancelled);
  Layers layers;
  plan->capture(false, 1, [&](const Op& op, const Shape&, std::span<const float> values) {
    // Its bytes are those of the picture, but rounded.
    if (!std::holds_alternative<op::ToRgba>(op.what)) layers[op.label].assign(values.begin(), values.end());
  });
  plan->run(0, 2, never_cancelled);
  layers["picture"] = plan->read(program.x);
  return layers;
}

/// Layer by layer, the second of two steps on matrix hardware and on the CPU.
void compare_second_step(const ModelConfig& c, std::uint32_t batch, bool guided = false,
                         const std::string& kind = "vulkan_block_matrix") {
  const Program program = record(c, {.batch = batch, .conditions = batch, .steps = 2, .guided = guided});
  const auto weights = random_weights(program);
  const Layers expected = second_step("cpu", program, weights), got = second_step(kind, program, weights);
  for (const char* label : {"blocks.0.attn.out", "blocks.0.mlp.fc1", "picture"})
    ASSERT_TRUE(got.contains(label)) << label;
  for (const auto& [label, values] : got) {
    const std::vector<float>& wanted = expected.at(label);
    ASSERT_EQ(values.size(), wanted.size()) << label;
    float largest = 0;
    for (const float value : wanted) largest = std::max(largest, std::fabs(value));
    for (std::size_t i = 0; i < values.size(); ++i)
      ASSERT_LE(std::fabs(values[i] - wanted[i]), 4e-3f * largest) << label << " at " << i;
  }
}

TEST_F(MatrixKernels, WholeStepsOfManyIconsOfAwkwardShape) {
  // 9 blocks of columns, which no tile has alone: tiles hang over both edges.
  compare_second_step(awkward(144, 3), 20);
}

TEST_F(MatrixKernels, WholeStepsWhoseRowsAreNormedAsTheyLeave) {
  // Attention made on the way, by all eight warps together, and before: the product then has 3 blocks of depth. Stages
  // tests that these are such rows.
  compare_second_step(awkward(128, 1), 3);
  compare_second_step(awkward(128, 3, 16), 3);
  // Norms of heads have an eps of their own.
  ModelConfig normed = awkward(128, 1);
  normed.qk_norm = true;
  normed.qk_norm_eps = 0.5;
  compare_second_step(normed, 3);
}

TEST_F(MatrixKernels, WholeStepsWithAPromptThatEndInAHead) {
  ModelConfig c = awkward(48, 3);
  c.context = 8;
  c.detail = DetailConfig{16, 24, 3};
  compare_second_step(c, 2);
}

/// The last product and a head on pictures of 20 × 12: tiles hang over both edges.
Program head_alone(const DetailConfig& detail, const PlanShape& shape, std::uint32_t channels) {
  constexpr std::uint32_t height = 20, width = 12, patch = 4, dim = 40;
  Recorder r(shape);
  const auto image = [&](const std::string& name, std::uint32_t count) {
    return r.activation(name, {shape.rows(), count, height, width});
  };
  r.set_condition(r.activation("condition", {shape.steps * shape.conditions, 5}));
  const TensorId x = r.activation("x", {shape.batch, channels, height, width});
  r.set_x(x);
  const TensorId table = r.activation("modulation", {shape.steps * shape.conditions, 2 * dim});
  TensorId from = image("features", detail.channels);
  const std::uint32_t features = detail.channels * patch * patch;
  r.step("final.linear", op::Final{.x = r.activation("h", {shape.rows(), height * width / patch / patch, dim}),
                                   .modulation = {.table = table, .shift = 0, .scale = dim},
                                   .norm = {},
                                   .weight = r.weight("final.weight", {features, dim}),
                                   .bias = r.weight("final.bias", {features}),
                                   .patch = patch,
                                   .window = patch,
                                   .y = from});
  for (std::uint32_t i = 0, in = detail.channels + channels; i < detail.layers; ++i) {
    const bool first = i == 0, last = i + 1 == detail.layers;
    const std::uint32_t out = last ? channels : detail.hidden;
    const std::string name = "convs." + std::to_string(i);
    const TensorId y = image(last ? "prediction" : name, out);
    r.step(name, op::Conv{.x = from,
                          .picture = first ? x : no_tensor,
                          .weight = r.weight(name + ".weight", {out, in, 3, 3}),
                          .bias = r.weight(name + ".bias", {out}),
                          .activation = last ? Activation::none : Activation::silu,
                          .residual = !first && !last,
                          .y = y});
    from = y;
    in = out;
  }
  return r.finish();
}

/// What a step leaves in the last tensor, all activations that the host gives being sines.
std::vector<float> last_output(const std::string& kind, const Program& program,
                               const std::shared_ptr<const Weights>& weights) {
  const auto executor = open_executor(kind, weights);
  const auto plan = executor->plan(program);
  plan->set_request(request_for(program));
  for (TensorId id = 0; id < program.tensors.size(); ++id) {
    const TensorInfo& tensor = program.tensor(id);
    if (tensor.name != "x" && tensor.name != "h" && tensor.name != "modulation") continue;
    std::vector<float> values(element_count(tensor.shape));
    for (std::size_t i = 0; i < values.size(); ++i) values[i] = std::sin(0.7f * static_cast<float>(i * i % 1009));
    plan->write(id, values);
  }
  plan->run(0, 1, never_cancelled);
  if (kind != "cpu") {
    EXPECT_LE(vulkan::dispatches(*plan), 3u) << "all layers are one";
  }
  return plan->read(output_of(program.step.back().what));
}

TEST_F(MatrixKernels, HeadsInOneStage) {
  // Only the emulated matrices of tests meet this compiler: a head for matrix hardware is never chosen on such a
  // device.
  if (vulkan::describe().at(vulkan_index()).driver.find("(LLVM 19") != std::string::npos)
    GTEST_SKIP() << "LLVM 19 ends the process: Cannot emit physreg copy instruction (llvmpipe of Debian 13)";
  // Hidden channels of one block and a half, layers enough to use a map again, two pictures that four rows share; maps
  // of three blocks, three channels a pixel; and no map beside the first.
  const std::tuple<DetailConfig, bool, std::uint32_t> heads[] = {
      {{32, 24, 4}, true, 4}, {{16, 40, 3}, false, 3}, {{16, 8, 2}, false, 4}};
  for (const auto& [detail, guided, channels] : heads) {
    const Program program = head_alone(detail, {.batch = 2, .conditions = 2, .guided = guided}, channels);
    const auto weights = random_weights(program);
    const std::vector<float> expected = last_output("cpu", program, weights),
                             got = last_output("vulkan_block_matrix", program, weights);
    float largest = 0;
    for (const float value : expected) largest = std::max(largest, std::fabs(value));
    ASSERT_EQ(got.size(), expected.size());
    for (std::size_t i = 0; i < got.size(); ++i)
      ASSERT_LE(std::fabs(got[i] - expected[i]), 4e-3f * largest) << detail.layers << " layers, at " << i;
  }
}

TEST(MatrixHardware, MakesEveryLayerOfABatchLikeTheCpu) {
  // Enough rows that every tile of a batch is there; the emulation would take minutes.
  if (const std::string problem = problem_of("vulkan_block_matrix"); !problem.empty()) GTEST_SKIP() << problem;
  ModelConfig favicons = awkward(512, 1, 128);
  favicons.depth = 2;
  favicons.mlp_dim = 2048;
  compare_second_step(favicons, 64);
}

TEST(MatrixHardware, MakesEveryLayerOfAHeadLikeTheCpu) {
  if (const std::string problem = problem_of("vulkan_block_matrix"); !problem.empty()) GTEST_SKIP() << problem;
  // The icon model's width: a head of many tiles, and of few that all wait for each other.
  ModelConfig icons = awkward(512, 8);
  icons.height = icons.width = 64;
  icons.patch = 8;
  icons.qk_norm = true;
  icons.mlp_dim = 2048;
  icons.context = 8;
  icons.detail = DetailConfig{16, 32, 3};
  for (const auto& [batch, kind] : {std::pair{1u, "vulkan_single_matrix"},
                                    {8u, "vulkan_single_matrix"},
                                    {1u, "vulkan_block_matrix"},
                                    {64u, "vulkan_block_matrix"}}) {
    compare_second_step(icons, batch, batch == 8, kind);
  }
}

TEST_F(MatrixKernels, PaintTheKnownPicture) {
  if (!std::getenv("DIT_TEST_ALL_FUSIONS")) GTEST_SKIP() << "two minutes on a software device: DIT_TEST_ALL_FUSIONS=1";
  // A whole small network, with what no op alone has: values that lie turned, attention inside a product, the solver.
  const auto model = Model::open(golden_path("tiny.safetensors"));
  const SelfTest test = make_self_test(
      model, [](std::shared_ptr<const Weights> weights) { return cpu::open(std::move(weights), {.threads = 1}); },
      CacheFolder());
  const OpenedDevice opened = open_device("vulkan:" + std::to_string(vulkan_index()), model,
                                          {.precision = Precision::f16_matrix, .fusion = Fusion::block},
                                          [&]() -> const SelfTest& { return test; });
  const DeviceInfo info = opened.executor->info();
  EXPECT_EQ(info.precision, "f16-matrix");
  EXPECT_EQ(info.fusion, "block");
  EXPECT_EQ(info.warning, "");
}

}  // namespace
}  // namespace dit::test
