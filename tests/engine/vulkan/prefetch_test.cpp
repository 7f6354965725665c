// SPDX-License-Identifier: MIT
// Icons begun while the last ones are read: the same pictures, whatever is asked for next.
#include <gtest/gtest.h>

#include <memory>
#include <vector>

#include "engine/session/session.h"
#include "tests/engine/support/devices_under_test.h"
#include "tests/engine/support/golden.h"
#include "tests/engine/vulkan/faults_layer.h"

namespace dit::test {
namespace {

using Icon = std::vector<std::uint8_t>;

class Prefetch : public ExecutorTest {
 protected:
  void SetUp() override {
    ExecutorTest::SetUp();
    if (!IsSkipped()) session_ = open();
  }
  std::unique_ptr<Session> open() {
    const std::string device = GetParam() == "cpu" ? "cpu" : "vulkan:" + std::to_string(vulkan_index());
    return Session::open({.model = golden_path("tiny.safetensors"), .device = device, .options = {.threads = 2}});
  }
  Icon read(std::uint32_t icon = 0) {
    const ModelConfig& config = session_->model().config();
    Icon out(std::size_t{config.width} * config.height * 4, 0xaa);
    session_->read(icon, out);
    return out;
  }
  Icon paint(const IconSettings& settings, const IconPoint& point) {
    session_->begin(settings, std::span(&point, 1));
    session_->advance(session_->steps());
    return read();
  }
  void prefetch(const IconSettings& settings, const IconPoint& point) {
    session_->prefetch(settings, std::span(&point, 1));
  }

  std::unique_ptr<Session> session_;
};

IconSettings settings(std::uint32_t steps) {
  IconSettings s;
  s.steps = steps;
  s.guidance = 2;
  return s;
}

IconPoint point(std::uint64_t n) { return {.from = {7, n}}; }

TEST_P(Prefetch, AStreamHasThePicturesOfIconsOneByOne) {
  const IconSettings s = settings(3);
  std::vector<Icon> expected;
  for (std::uint64_t n = 0; n < 6; ++n) expected.push_back(paint(s, point(n)));
  for (std::uint64_t n = 0; n < 6; ++n) {
    const IconPoint now = point(n);
    session_->begin(s, std::span(&now, 1));
    session_->advance(3);
    prefetch(s, point(n + 1));
    EXPECT_EQ(read(), expected[n]) << "read while icon " << n + 1 << " is under way";
    EXPECT_EQ(session_->step(), 3u);
  }
}

TEST_P(Prefetch, AStreamThatLooksAheadBeforeItWaitsHasThemToo) {
  const IconSettings s = settings(3);
  std::vector<Icon> expected;
  for (std::uint64_t n = 0; n < 7; ++n) expected.push_back(paint(s, point(n)));
  for (std::uint64_t n = 0; n < 6; ++n) {
    const IconPoint now = point(n);
    session_->begin(s, std::span(&now, 1));
    prefetch(s, point(n + 1));
    EXPECT_EQ(read(), n == 0 ? expected[6] : expected[n - 1]) << "the icon before, until the next is done";
    session_->advance(3);
    if (n % 2 == 0) prefetch(s, point(n + 1));  // told twice
    EXPECT_EQ(read(), expected[n]) << "read while icon " << n + 1 << " is under way";
  }
}

TEST_P(Prefetch, StepsTakenOneByOneAreThoseOfARun) {
  const IconSettings s = settings(6);
  std::vector<Icon> expected;
  const IconPoint p = point(3);
  for (std::uint32_t step = 1; step <= 6; ++step) {
    session_->begin(s, std::span(&p, 1));
    session_->advance(step);
    expected.push_back(read());
  }
  const auto steps = [&](std::initializer_list<std::uint32_t> list, const char* what) {
    session_->begin(s, std::span(&p, 1));
    for (const std::uint32_t step : list) {
      session_->advance(step);
      EXPECT_EQ(read(), expected[step - 1]) << "step " << step << ", " << what;
    }
  };
  steps({1, 2, 3, 4, 5, 6}, "one by one");
  steps({1, 2, 3, 5, 6}, "and then two at once");
  steps({2, 3, 6}, "and then the rest");
  steps({1, 2, 3}, "left in the middle");
  steps({6}, "after one that was left");
  steps({1, 2, 3, 4}, "to be cancelled");
  session_->cancel();
  EXPECT_THROW(session_->advance(5), Cancelled);
  session_->resume();
  session_->advance(5);
  EXPECT_EQ(read(), expected[4]) << "after a cancel";
  steps({1, 2, 3, 4, 5, 6}, "and again");
}

TEST_P(Prefetch, AWrongGuessChangesNothing) {
  const Icon expected = paint(settings(3), point(5)), other = paint(settings(4), point(5));
  paint(settings(3), point(0));
  prefetch(settings(3), point(1));
  EXPECT_EQ(paint(settings(3), point(5)), expected) << "another icon";
  prefetch(settings(3), point(6));
  EXPECT_EQ(paint(settings(4), point(5)), other) << "other steps";
  paint(settings(3), point(0));
  prefetch(settings(3), point(5));
  const IconPoint p = point(5);
  session_->begin(settings(3), std::span(&p, 1));
  for (std::uint32_t step = 1; step <= 3; ++step) session_->advance(step);
  EXPECT_EQ(read(), expected) << "step by step";
  session_->begin(settings(3), std::span(&p, 1));
  prefetch(settings(3), point(6));
  for (std::uint32_t step = 1; step <= 3; ++step) session_->advance(step);
  EXPECT_EQ(read(), expected) << "step by step, although the next was begun";
  EXPECT_EQ(paint(settings(3), point(6)), paint(settings(3), point(6))) << "what was begun and dropped";
  session_->begin(settings(3), std::span(&p, 1));
  prefetch(settings(3), point(7));
  EXPECT_EQ(paint(settings(3), point(5)), expected) << "begun anew with the next under way";
  EXPECT_EQ(paint(settings(4), point(5)), other) << "other steps with the next under way";
  paint(settings(3), point(0));
  prefetch(settings(3), point(6));
  std::vector<IconPoint> two = {point(5), point(6)};
  session_->begin(settings(3), two);
  session_->advance(3);
  EXPECT_EQ(read(0), expected) << "a batch of two";
}

TEST_P(Prefetch, IsRefusedNowhereAndCancelsLikeAnyRun) {
  prefetch(settings(3), point(0));  // before the first batch
  const Icon expected = paint(settings(3), point(1));
  paint(settings(3), point(0));
  prefetch(settings(3), point(1));
  session_->cancel();
  const IconPoint p = point(1);
  EXPECT_THROW(session_->begin(settings(3), std::span(&p, 1)), Cancelled);
  EXPECT_THROW(prefetch(settings(3), point(1)), Cancelled);
  session_->resume();
  EXPECT_EQ(paint(settings(3), point(1)), expected);
  prefetch(settings(3), point(2));
  session_.reset();  // with work under way
}

/// Counts what the engine asks of Vulkan.
class PrefetchOnVulkan : public ::testing::Test {
 protected:
  void SetUp() override {
    if (const std::string problem = vulkan_problem(); !problem.empty()) GTEST_SKIP() << "Vulkan: " << problem;
    layer_ = std::make_unique<FaultsLayer>();
    ASSERT_EQ(layer_->problem(), "");
    session_ = Session::open(Engine::open_own({.model = golden_path("tiny.safetensors"),
                                               .device = "vulkan:" + std::to_string(vulkan_index()),
                                               .options = {}}));
    picture_.resize(std::size_t{session_->model().config().width} * session_->model().config().height * 4);
  }
  /// Icon n of a stream of icons of one step, which is one submission, however long it takes.
  void paint(std::uint64_t n) {
    const IconPoint now = point(n), next = point(n + 1);
    session_->begin(settings(1), std::span(&now, 1));
    session_->prefetch(settings(1), std::span(&next, 1));
    session_->advance(1);
  }
  void begin(std::uint64_t n) {
    const IconPoint now = point(n);
    session_->begin(settings(5), std::span(&now, 1));
  }

  std::unique_ptr<FaultsLayer> layer_;
  std::unique_ptr<Session> session_;
  Icon picture_;
};

TEST_F(PrefetchOnVulkan, SubmitsTheNextIconBeforeThePictureOfTheLastIsReadAndNothingElse) {
  paint(0);
  layer_->arm(0, DIT_FAULT_LOSS);  // counts from here; icon 1 is submitted
  for (std::uint64_t n = 1; n < 8; ++n) {
    paint(n);
    EXPECT_EQ(layer_->submissions(), n) << "one submission an icon: nothing is prepared or copied anew";
    session_->read(0, picture_);
  }
}

TEST_F(PrefetchOnVulkan, SubmitsAStepAheadOfThoseTakenOneByOne) {
  begin(3);
  layer_->arm(0, DIT_FAULT_LOSS);
  for (const std::size_t submitted : {1, 3, 4, 5, 5}) {
    session_->advance(session_->step() + 1);
    EXPECT_EQ(layer_->submissions(), submitted) << "a step ahead from the second on";
  }
}

TEST_F(PrefetchOnVulkan, RecordsAndAllocatesNothingAfterTheFirstIcons) {
  const auto steps = [this](std::uint64_t n) {
    begin(n);
    for (std::uint32_t step = 1; step <= 5; ++step) session_->advance(step);
  };
  const auto expect_nothing = [this](const char* what) {
    EXPECT_GT(layer_->submissions(), 0u);
    for (const char* call : {"vkAllocateCommandBuffers", "vkBeginCommandBuffer", "vkAllocateMemory", "vkCreateBuffer",
                             "vkCreateFence", "vkMapMemory"})
      EXPECT_EQ(layer_->calls(call), 0u) << call << ", " << what;
  };
  // Each of the three places of a run has its own command buffers.
  for (std::uint64_t n = 0; n < 5; ++n) paint(n);
  layer_->arm(0, DIT_FAULT_MEMORY);
  for (std::uint64_t n = 5; n < 15; ++n) paint(n);
  expect_nothing("whole icons");
  for (std::uint64_t n = 0; n < 5; ++n) steps(n);
  layer_->arm(0, DIT_FAULT_MEMORY);
  for (std::uint64_t n = 5; n < 15; ++n) steps(n);
  expect_nothing("steps one by one");
}

INSTANTIATE_TEST_SUITE_P(Executors, Prefetch, ::testing::Values("cpu", "vulkan"),
                         [](const auto& instance) { return instance.param; });

}  // namespace
}  // namespace dit::test
