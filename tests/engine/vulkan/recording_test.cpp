// SPDX-License-Identifier: MIT
// Command buffers: each stretch of steps is recorded once, long ones are shared, and their memory is bounded.
#include "engine/vulkan/run/recording.h"

#include <gtest/gtest.h>

#include "engine/network/dit.h"
#include "engine/vulkan/run/weights.h"
#include "tests/engine/support/devices_under_test.h"
#include "tests/engine/support/golden.h"

namespace dit::test {
namespace {

using vulkan::Stretch;

class Recordings : public ::testing::Test {
 protected:
  void SetUp() override {
    if (const std::string problem = vulkan_problem(); !problem.empty()) GTEST_SKIP() << "Vulkan: " << problem;
    shared_.device = vulkan::open_device(vulkan_index());
    shared_.source = model_->weights();
    shared_.pipelines = std::make_shared<vulkan::Pipelines>(*shared_.device);
    vulkan::place_weights(*shared_.device, *shared_.source, false, shared_.weights);
  }

  vulkan::Recording recording(std::uint32_t steps) {
    program_ = record(model_->config(), {.batch = 1, .conditions = 1, .steps = steps});
    return {*shared_.device, vulkan::make_schedule(shared_, program_, Precision::f32, Fusion::op), steps};
  }

  static std::vector<vk::CommandBuffer> buffers(vulkan::Recording& recording, const Stretch& stretch) {
    std::vector<vk::CommandBuffer> list;
    recording.append(stretch, list);
    return list;
  }

  std::shared_ptr<const Model> model_ = Model::open(golden_path("tiny.safetensors"));
  vulkan::Shared shared_;
  Program program_;
};

TEST_F(Recordings, AWholeIconIsOneCommandBufferRecordedOnce) {
  auto r = recording(32);
  for (const std::uint32_t entry : {0u, 1u, 0u, 1u}) {
    EXPECT_EQ(buffers(r, {.first = 0, .last = 32, .begins = true, .ends = true, .entry = entry}).size(), 1u);
  }
  EXPECT_EQ(r.recorded(), 64u) << "once for each ring entry";
  EXPECT_EQ(buffers(r, {.first = 2, .last = 9, .entry = 0}), buffers(r, {.first = 2, .last = 9, .entry = 2}))
      << "what neither begins nor ends knows no ring entry";
  EXPECT_EQ(r.recorded(), 71u);
}

TEST_F(Recordings, LongRunsShareTheirSteps) {
  auto r = recording(200);
  const auto first = buffers(r, {.first = 0, .last = 200, .begins = true, .ends = true, .entry = 0});
  const auto second = buffers(r, {.first = 0, .last = 200, .begins = true, .ends = true, .entry = 1});
  ASSERT_EQ(first.size(), 6u) << "the beginning, 64 + 64 + 64 + 8 steps, the end";
  ASSERT_EQ(second.size(), 6u);
  for (std::size_t i = 0; i < 6; ++i) EXPECT_EQ(first[i] == second[i], i > 0 && i < 5) << i;
  EXPECT_EQ(r.recorded(), 204u);
}

TEST_F(Recordings, AreForgottenWhenTheyAreTooMany) {
  auto r = recording(40);
  std::uint32_t ranges = 0;
  for (std::uint32_t first = 0; first < 40 && !r.full(); ++first) {
    for (std::uint32_t last = first + 1; last <= 40 && !r.full(); ++last, ++ranges)
      ASSERT_EQ(buffers(r, {.first = first, .last = last}).size(), 1u);
  }
  EXPECT_TRUE(r.full()) << "all ranges of 40 steps are 11480 steps";
  EXPECT_GT(ranges, 20u) << "some lengths have room";
  EXPECT_LT(r.recorded(), 512u + 64u);
  r.forget();
  EXPECT_FALSE(r.full());
  EXPECT_EQ(buffers(r, {.first = 0, .last = 40}).size(), 1u);
  EXPECT_EQ(r.recorded(), 40u);
}

}  // namespace
}  // namespace dit::test
