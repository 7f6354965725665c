// SPDX-License-Identifier: MIT
// On Vulkan the next icons are begun while the last are copied: the pictures stay those of icons painted one by one,
// whatever comes in between, and an end does not wait for what was begun.
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <iostream>

#include "engine/session/session.h"
#include "tests/engine/vulkan/faults_layer.h"
#include "tests/plugin/support/player.h"

namespace dit::plugin_test {
namespace {

using test::FaultsLayer;
using Bytes = std::vector<std::uint8_t>;

class DitSrcPrefetch : public ::testing::Test {
 protected:
  void SetUp() override {
    for (const DeviceInfo& device : list_devices()) usable_ |= device.spec != "cpu" && device.problem.empty();
    if (!usable_) GTEST_SKIP() << "no usable Vulkan device";
    session_ = Session::open({.model = tiny_model(), .device = "vulkan"});
  }

  /// Icon `index` on its own.
  Bytes icon(std::uint64_t index, std::uint64_t seed = 3, std::uint32_t steps = 4) {
    IconSettings settings;
    settings.prompt = "red fox";
    settings.style = "flat";
    settings.seed = seed;
    settings.steps = steps;
    const IconPoint point = {.from = {seed, index}};
    session_->begin(settings, std::span(&point, 1));
    session_->advance(steps);
    Bytes rgba(std::size_t{12} * 8 * 4);
    session_->read(0, rgba);
    return rgba;
  }

  static Properties properties(const Properties& more = {}) {
    Properties all = {{"device", "vulkan"}, {"prompt", "red fox"}, {"style", "flat"}, {"seed", "3"}, {"steps", "4"}};
    all.insert(all.end(), more.begin(), more.end());
    return all;
  }

  bool usable_ = false;
  std::unique_ptr<Session> session_;
};

TEST_F(DitSrcPrefetch, FramesAreTheIconsOneByOne) {
  for (const char* batch : {"1", "3"}) {
    const auto frames = pictures(properties({{"batch-size", batch}}), 5);
    for (std::uint64_t k = 0; k < frames.size(); ++k) EXPECT_EQ(frames[k], icon(k)) << "frame " << k << ", " << batch;
  }
}

TEST_F(DitSrcPrefetch, AnIconIsOneSubmission) {
  session_.reset();
  const FaultsLayer layer;
  ASSERT_EQ(layer.problem(), "");
  // An element that has been stopped keeps its engine, which the others then share: none of them uploads weights.
  Player keeper(properties({{"num-buffers", "1"}}));
  keeper.play();
  gst_element_set_state(keeper.pipeline(), GST_STATE_NULL);
  const auto submissions = [&layer](std::size_t icons) {
    layer.arm(0, DIT_FAULT_LOSS);  // counts from here
    // An icon of one step is submitted at once, however long it takes.
    Player player(properties({{"steps", "1"}, {"num-buffers", std::to_string(icons)}}));
    player.play();
    EXPECT_EQ(player.until_end().size(), icons);
    return layer.submissions();
  };
  const std::size_t few = submissions(5), more = submissions(25);
  EXPECT_GT(few, 5u) << "the layer is not in the chain";
  EXPECT_EQ(more - few, 20u) << "nothing is prepared, copied or waited for besides";
}

TEST_F(DitSrcPrefetch, ASeekFindsItsIcon) {
  Player player(properties({{"num-buffers", "500"}}));
  player.play();
  for (const double rate : {1.0, -1.0, 2.0}) {
    ASSERT_TRUE(player.seek(rate, GST_FORMAT_DEFAULT, GST_SEEK_FLAG_FLUSH, 20, 26));
    const auto frames = player.until_end();
    ASSERT_GE(frames.size(), 3u);
    for (const Frame& frame : frames) EXPECT_EQ(frame.bytes, icon(frame.offset)) << "rate " << rate;
  }
  EXPECT_TRUE(player.errors().empty());
}

TEST_F(DitSrcPrefetch, AChangedPropertyTakesItsTurn) {
  Source source(properties());
  source.play();
  source.pull(2);
  set(source.element(), {{"seed", "9"}});
  // Frames that were painted before come first, then none of the old seed any more.
  int changed = 0;
  for (int i = 0; i < 300 && changed < 5; ++i) {
    const Frame frame = source.pull();
    if (changed > 0 || frame.bytes == icon(frame.offset, 9)) ++changed;
    EXPECT_EQ(frame.bytes, icon(frame.offset, changed > 0 ? 9 : 3)) << frame.offset;
  }
  EXPECT_EQ(changed, 5);
}

TEST_F(DitSrcPrefetch, AnEndDoesNotWaitForWhatWasBegun) {
  using Clock = std::chrono::steady_clock;
  const Properties slow = properties({{"steps", "120"}, {"sampler", "euler"}});
  icon(0, 3, 120);  // makes the plan
  const auto begun = Clock::now();
  icon(1, 3, 120);
  const Clock::duration icon_time = Clock::now() - begun;
  Clock::duration best = std::chrono::hours(1);
  for (int round = 0; round < 3; ++round) {
    Source source(slow);
    source.play();
    source.pull();
    const auto start = Clock::now();
    gst_element_set_state(source.element(), GST_STATE_NULL);
    best = std::min(best, Clock::now() - start);
  }
  // A busy machine may hold up one end or two. One that waits for the icon that was begun takes an icon's time each
  // time.
  EXPECT_LT(best, icon_time / 2);
  std::cout << "icon " << icon_time / std::chrono::milliseconds(1) << " ms, end " << best / std::chrono::milliseconds(1)
            << " ms\n";
}

}  // namespace
}  // namespace dit::plugin_test
