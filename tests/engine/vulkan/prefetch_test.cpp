// SPDX-License-Identifier: MIT
// Icons announced, and under way while the last ones are read: the same pictures, whatever is asked for next.
#include <gtest/gtest.h>

#include <memory>
#include <thread>
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
    return Session::open({.model = golden_path("tiny.safetensors"),
                          .device = device,
                          .options = {.threads = 2, .precision = Precision::f32}});
  }
  Icon read(std::uint32_t icon = 0) {
    const ModelConfig& config = session_->model().config();
    Icon out(std::size_t{config.width} * config.height * 4, 0xaa);
    session_->read(icon, out);
    return out;
  }
  Icon paint(const IconSettings& settings, const IconPoint& point) {
    begin(settings, point);
    session_->advance(session_->steps());
    return read();
  }
  void begin(const IconSettings& settings, const IconPoint& point, Pace pace = Pace::whole) {
    session_->begin(settings, std::span(&point, 1), pace);
  }
  void announce(const IconPoint& point) { session_->announce(std::span(&point, 1)); }

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
  begin(s, point(0));
  for (std::uint64_t n = 0; n < 6; ++n) {
    if (n > 0) session_->begin_announced();
    session_->advance(3);
    announce(point(n + 1));
    EXPECT_EQ(read(), expected[n]) << "read while icon " << n + 1 << " is under way";
    EXPECT_EQ(session_->step(), 3u);
  }
}

TEST_P(Prefetch, AStreamThatAnnouncesBeforeItWaitsHasThemToo) {
  const IconSettings s = settings(3);
  std::vector<Icon> expected;
  for (std::uint64_t n = 0; n < 7; ++n) expected.push_back(paint(s, point(n)));
  begin(s, point(0));
  for (std::uint64_t n = 0; n < 6; ++n) {
    if (n > 0) session_->begin_announced();
    announce(point(n + 1));
    EXPECT_EQ(read(), n == 0 ? expected[6] : expected[n - 1]) << "the icon before, until the next is done";
    session_->advance(3);
    EXPECT_EQ(read(), expected[n]) << "read while icon " << n + 1 << " is under way";
  }
}

TEST_P(Prefetch, StepsAreThoseOfARunWhateverWasSaidOfThem) {
  const IconSettings s = settings(6);
  std::vector<Icon> expected;
  for (std::uint32_t step = 1; step <= 6; ++step) {
    begin(s, point(3));
    session_->advance(step);
    expected.push_back(read());
  }
  const auto steps = [&](Pace pace, std::initializer_list<std::uint32_t> list, const char* what) {
    begin(s, point(3), pace);
    for (const std::uint32_t step : list) {
      session_->advance(step);
      EXPECT_EQ(read(), expected[step - 1]) << "step " << step << ", " << what;
    }
  };
  for (const Pace pace : {Pace::step_by_step, Pace::whole}) {
    steps(pace, {1, 2, 3, 4, 5, 6}, "one by one");
    steps(pace, {1, 2, 3, 5, 6}, "and then two at once");
    steps(pace, {2, 3, 6}, "and then the others");
    steps(pace, {1, 2, 3}, "not to the end");
    steps(pace, {6}, "after one that ended early");
    steps(pace, {1, 2, 3, 4}, "to be cancelled");
    session_->cancel();
    EXPECT_THROW(session_->advance(5), Cancelled);
    session_->resume();
    session_->advance(5);
    EXPECT_EQ(read(), expected[4]) << "after a cancel";
    steps(pace, {1, 2, 3, 4, 5, 6}, "and again");
  }
}

TEST_P(Prefetch, AnAnnouncementThatIsNotKeptChangesNothing) {
  const IconSettings s = settings(3);
  const Icon expected = paint(s, point(5)), other = paint(settings(4), point(5)), sixth = paint(s, point(6));
  paint(s, point(0));
  announce(point(1));
  EXPECT_EQ(paint(s, point(5)), expected) << "another icon";
  announce(point(6));
  EXPECT_EQ(paint(settings(4), point(5)), other) << "other steps";
  paint(s, point(0));
  announce(point(5));
  session_->begin_announced();
  for (std::uint32_t step = 1; step <= 3; ++step) session_->advance(step);
  EXPECT_EQ(read(), expected) << "step by step";
  begin(s, point(5));
  announce(point(6));
  for (std::uint32_t step = 1; step <= 3; ++step) session_->advance(step);
  EXPECT_EQ(read(), expected) << "step by step, although the next was submitted";
  session_->begin_announced();
  session_->advance(3);
  EXPECT_EQ(read(), sixth) << "the next, submitted and dropped meanwhile";
  begin(s, point(5));
  announce(point(7));
  EXPECT_EQ(paint(s, point(5)), expected) << "begun anew with the next under way";
  begin(s, point(4));
  announce(point(6));
  session_->begin_announced();
  session_->advance(3);
  EXPECT_EQ(read(), sixth) << "the next, where this one was not asked for";
  announce(point(7));
  EXPECT_EQ(paint(settings(4), point(5)), other) << "other steps with the next under way";
  paint(s, point(0));
  announce(point(6));
  std::vector<IconPoint> two = {point(5), point(6)};
  session_->begin(s, two);
  session_->advance(3);
  EXPECT_EQ(read(0), expected) << "a batch of two";
}

TEST_P(Prefetch, WithoutTheRightAnnouncementIsRefused) {
  EXPECT_THROW(announce(point(0)), Error) << "before the first batch";
  EXPECT_THROW(session_->begin_announced(), Error) << "none was announced";
  paint(settings(3), point(0));
  const std::vector<IconPoint> two(2);
  EXPECT_THROW(session_->announce(two), Error) << "of another size";
  announce(point(1));
  EXPECT_THROW(announce(point(1)), Error) << "a second one";
  begin(settings(3), point(0));
  EXPECT_THROW(session_->begin_announced(), Error) << "a begin ends it";
  session_->begin_pipeline(settings(3), point, 1);
  EXPECT_THROW(announce(point(1)), Error) << "in a pipeline";
}

TEST_P(Prefetch, CancelsLikeAnyRun) {
  const Icon expected = paint(settings(3), point(1));
  paint(settings(3), point(0));
  announce(point(1));
  session_->cancel();
  EXPECT_THROW(session_->begin_announced(), Cancelled);
  EXPECT_THROW(begin(settings(3), point(1)), Cancelled);
  EXPECT_THROW(announce(point(1)), Cancelled);
  session_->resume();
  session_->begin_announced();
  session_->advance(3);
  EXPECT_EQ(read(), expected) << "the announcement stands";
  EXPECT_EQ(paint(settings(3), point(1)), expected);
  announce(point(2));
  session_.reset();  // with work under way
}

TEST_P(Prefetch, SessionsThatShareADeviceTakeTurnsInTheMiddleOfIcons) {
  const IconSettings s = settings(5);
  std::vector<Icon> expected;
  for (std::uint64_t n = 0; n < 6; ++n) expected.push_back(paint(s, point(n)));
  const auto other = open();
  ASSERT_EQ(other->engine(), session_->engine());
  std::thread beside([&] {
    for (std::uint64_t n = 0; n < 6; ++n) {
      const IconPoint p = point(n);
      other->begin(s, std::span(&p, 1), Pace::step_by_step);
      for (std::uint32_t step = 1; step <= 5; ++step) other->advance(step);
      Icon out(expected[n].size());
      other->read(0, out);
      EXPECT_EQ(out, expected[n]) << n << ", step by step";
    }
  });
  begin(s, point(0));
  for (std::uint64_t n = 0; n < 6; ++n) {
    if (n > 0) session_->begin_announced();
    announce(point(n + 1));
    session_->advance(5);
    EXPECT_EQ(read(), expected[n]) << n;
  }
  beside.join();
}

TEST_P(Prefetch, OnAWayToAnotherPromptIsOnlySaid) {
  IconSettings s = settings(3);
  s.prompt = session_->model().config().words.at(0);
  s.toward_prompt = session_->model().config().words.at(1);
  IconPoint between = point(2);
  between.blend = 0.5;
  const Icon expected = paint(s, between);
  paint(s, point(1));
  announce(between);
  session_->begin_announced();
  session_->advance(3);
  EXPECT_EQ(read(), expected);
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
    if (n == 0) {
      session_->begin(settings(1), std::span(&now, 1));
    } else {
      session_->begin_announced();
    }
    session_->announce(std::span(&next, 1));
    session_->advance(1);
  }
  void begin(std::uint64_t n) {
    const IconPoint now = point(n);
    session_->begin(settings(5), std::span(&now, 1), Pace::step_by_step);
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

TEST_F(PrefetchOnVulkan, IsAStepBeyondThoseTakenOneByOne) {
  begin(3);
  layer_->arm(0, DIT_FAULT_LOSS);
  for (const std::size_t submitted : {2, 3, 4, 5, 5}) {
    session_->advance(session_->step() + 1);
    EXPECT_EQ(layer_->submissions(), submitted) << "a step beyond the one that is read";
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
  // Each of the three ring entries has its own command buffers.
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
