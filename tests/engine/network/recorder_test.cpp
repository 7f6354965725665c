// SPDX-License-Identifier: MIT
// The recorder refuses ops that no executor could run: each error names the op, what was expected and what was found.
#include "engine/network/recorder.h"

#include <gtest/gtest.h>

#include <string>

#include "engine/error.h"

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

TEST_F(RecorderTest, ATensorKeepsItsShape) {
  EXPECT_EQ(recorder_.activation("wide", {2, 6, 48}), wide_);
  EXPECT_THROW(recorder_.activation("wide", {2, 6, 47}), Error);
}

}  // namespace
}  // namespace dit::test
