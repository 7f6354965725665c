// SPDX-License-Identifier: MIT
// The recorder refuses ops that no executor could run: each error names the op, what was expected and what was found.
#include "engine/network/recorder.h"

#include <gtest/gtest.h>

#include <string>

#include "engine/error.h"
#include "engine/network/dit.h"

namespace dit::test {
namespace {

class RecorderTest : public ::testing::Test {
 protected:
  std::string error_of(const AnyOp& op) {
    try {
      recorder_.step("here", op);
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::wrong_format) << error.what();
      return error.what();
    }
    return "no error";
  }
  static void expect_names(const std::string& text, std::initializer_list<const char*> parts) {
    for (const char* part : parts) EXPECT_NE(text.find(part), std::string::npos) << "'" << part << "' in: " << text;
  }

  Recorder recorder_{PlanShape{.batch = 2}};
  TensorId image_ = recorder_.activation("image", {2, 3, 8, 12});
  TensorId wide_ = recorder_.activation("wide", {2, 6, 48});
  TensorId other_ = recorder_.activation("other", {2, 6, 48});
  TensorId table_ = recorder_.activation("table", {1, 96});
  TensorId square_ = recorder_.weight("square", {48, 48});
  TensorId position_ = recorder_.weight("position", {6, 48});
};

TEST_F(RecorderTest, RefusesAnOutputThatIsAnInput) {
  const op::Modulation modulation = {.table = table_, .shift = 0, .scale = 48};
  const op::ModulatedLinear good = {wide_, modulation, {}, square_, no_tensor, Activation::none, other_};
  EXPECT_EQ(error_of(good), "no error");
  op::ModulatedLinear bad = good;
  bad.y = wide_;
  expect_names(error_of(bad), {"'here'", "'wide'", "input and output"});

  const TensorId rows = recorder_.activation("rows", {4, 48});
  expect_names(error_of(op::Linear{rows, square_, no_tensor, rows}), {"'rows'", "input and output"});
  // What is read while it is written is no different.
  const TensorId wide_table = recorder_.activation("square table", {2, 6, 48});
  EXPECT_EQ(error_of(op::GatedLinearAdd{wide_, square_, no_tensor, modulation, wide_table}), "no error");
  expect_names(error_of(op::GatedLinearAdd{wide_, square_, no_tensor, modulation, wide_}),
               {"'wide'", "input and output"});
}

TEST_F(RecorderTest, RefusesWindowsThatNoPatchIsInTheMiddleOf) {
  const TensorId weight = recorder_.weight("patches", {48, 3 * 16});
  op::Embed embed = {image_, weight, no_tensor, position_, other_, 4, 4};
  EXPECT_EQ(error_of(embed), "no error");
  embed.window = 5;
  expect_names(error_of(embed), {"'here'", "window", "4 pixels or more by an even number, found 5"});
  embed.window = 2;
  expect_names(error_of(embed), {"window", "found 2"});
  embed.window = 6;
  expect_names(error_of(embed), {"weight 'patches'", "expected [48,108], found [48,48]"});
  embed.patch = embed.window = 5;
  expect_names(error_of(embed), {"not a multiple of patch 5"});
}

TEST_F(RecorderTest, RefusesNormsThatDivideByZero) {
  const TensorId narrow = recorder_.activation("narrow", {2, 6, 1});
  const TensorId table = recorder_.activation("two", {1, 2});
  const TensorId weight = recorder_.weight("column", {48, 1});
  op::ModulatedLinear linear = {narrow, {table, 0, 1, 0}, {}, weight, no_tensor, Activation::none, other_};
  EXPECT_EQ(error_of(linear), "no error");
  linear.norm.unbiased = true;
  expect_names(error_of(linear), {"'here'", "unbiased", "more than one value"});
}

TEST_F(RecorderTest, RefusesPromptsThatAreNotThoseOfTheConditions) {
  Recorder two(PlanShape{.batch = 2, .conditions = 2});
  const TensorId qkv = two.activation("qkv", {2, 6, 72}), y = two.activation("y", {2, 6, 24});
  const auto error_with = [&](Shape prompts) {
    op::Attention attention = {qkv, no_tensor, no_tensor, 0, 3, y};
    attention.context = two.activation("prompts of " + to_string(prompts), prompts);
    try {
      two.step("here", attention);
    } catch (const Error& error) {
      return std::string(error.what());
    }
    return std::string("no error");
  };
  EXPECT_EQ(error_with({8, 48}), "no error");
  expect_names(error_with({7, 48}), {"'here'", "context", "each of 2 conditions, found 7"});
  expect_names(error_with({8, 72}), {"context", "expected [8,48], found [8,72]"});
  expect_names(error_with({2, 4, 48}), {"context", "expected rank 2"});
}

TEST_F(RecorderTest, CountsWhatPromptsAndConvolutionsCost) {
  ModelConfig config;
  config.channels = 4;
  config.height = config.width = 16;
  config.premultiplied = true;
  config.patch = 4;
  config.dim = 8;
  config.depth = 2;
  config.heads = 2;
  config.mlp_dim = 16;
  config.cond_dim = 8;
  const auto count = [&] {
    const Program program = record(config, {.batch = 3, .conditions = 2});
    return flop_count(program, program.step);
  };
  const std::uint64_t plain = count();
  config.context = 5;
  EXPECT_EQ(count() - plain, 3u * 2 * 4 * 16 * 6 * 8) << "rows, blocks, tokens and six more keys of 8 values";
  config.context = 0;
  config.detail = DetailConfig{.channels = 6, .hidden = 7, .layers = 3};
  const std::uint64_t weights = 9 * (10 * 7 + 7 * 7 + 7 * 4), more = 16 * 16 * (6 - 4) * 8;
  EXPECT_EQ(count() - plain, 3u * 2 * (16 * 16 * weights + more)) << "convolutions, and more channels a pixel";
}

TEST_F(RecorderTest, RefusesHeadsThatDoNotFit) {
  const TensorId keys = recorder_.activation("keys", {5, 24});
  op::HeadNorm norm = {keys, recorder_.weight("head", {8}), 0, 3};
  EXPECT_EQ(error_of(norm), "no error");
  norm.heads = 4;
  expect_names(error_of(norm), {"'here'", "4 heads of 8 do not fit 24 columns"});
  norm.heads = 0;
  expect_names(error_of(norm), {"0 heads"});
}

TEST_F(RecorderTest, RefusesConvolutionsOfOtherChannels) {
  const TensorId x = recorder_.activation("features", {2, 5, 8, 12}), y = recorder_.activation("hidden", {2, 7, 8, 12});
  const TensorId weight = recorder_.weight("kernel", {7, 8, 3, 3}), bias = recorder_.weight("bias", {7});
  const op::Conv good = {x, image_, weight, bias, Activation::silu, false, y};
  EXPECT_EQ(error_of(good), "no error");
  op::Conv bad = good;
  bad.picture = no_tensor;
  expect_names(error_of(bad), {"'here'", "weight 'kernel'", "expected [7,5,3,3], found [7,8,3,3]"});
  bad = good;
  bad.residual = true;
  expect_names(error_of(bad), {"residual", "as many channels in as out, found 5 and 7"});
  bad = good;
  bad.picture = recorder_.activation("small picture", {2, 3, 4, 12});
  expect_names(error_of(bad), {"picture", "expected [2,3,8,12], found [2,3,4,12]"});
  bad = good;
  bad.x = y;
  expect_names(error_of(bad), {"'hidden'", "input and output"});
  bad = good;
  bad.bias = recorder_.weight("short bias", {6});
  expect_names(error_of(bad), {"bias 'short bias'", "expected [7], found [6]"});
}

TEST_F(RecorderTest, ATensorKeepsItsShape) {
  EXPECT_EQ(recorder_.activation("wide", {2, 6, 48}), wide_);
  EXPECT_THROW(recorder_.activation("wide", {2, 6, 47}), Error);
}

}  // namespace
}  // namespace dit::test
