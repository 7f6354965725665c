// SPDX-License-Identifier: MIT
// Kernels are built side by side, each once, and a failure or a cancel loses none that were finished.
#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <vector>

#include "engine/network/dit.h"
#include "engine/vulkan/compile/emit.h"
#include "engine/vulkan/run/schedule.h"
#include "tests/engine/support/devices_under_test.h"
#include "tests/engine/support/golden.h"

namespace dit::test {
namespace {

class Kernels : public ::testing::Test {
 protected:
  void SetUp() override {
    if (const std::string problem = vulkan_problem(); !problem.empty()) GTEST_SKIP() << "Vulkan: " << problem;
    device_ = vulkan::open_device(vulkan_index());
    pipelines_ = std::make_unique<vulkan::Pipelines>(*device_, CacheFolder());
    const vulkan::Target target = vulkan::target_of(*device_, Precision::f32, Fusion::op);
    const vulkan::CompiledProgram compiled = vulkan::compile(program_, target);
    vulkan::Places places = vulkan::consecutive_places(compiled.layouts);
    places.weight_types.assign(program_.tensors.size(), DType::f32);
    emitted_ = vulkan::emit(program_, compiled.layouts, compiled.tiled, target, places);
    prepare_ = vulkan::emit_prepare(program_, compiled.layouts, target, places);
    calls_ = vulkan::calls_of(emitted_, prepare_);
  }

  Program program_ = record(Model::open(golden_path("tiny.safetensors"))->config(), {.batch = 1, .steps = 2});
  std::shared_ptr<vulkan::Device> device_;
  std::unique_ptr<vulkan::Pipelines> pipelines_;
  vulkan::EmittedProgram emitted_;
  std::vector<std::vector<vulkan::KernelCall>> prepare_;
  std::vector<const vulkan::KernelCall*> calls_;
};

TEST_F(Kernels, AreBuiltOnceForAllCallsThatAreAlike) {
  pipelines_->build(calls_, never_cancelled);
  const std::size_t built = pipelines_->built().size();
  EXPECT_GT(built, 5u);
  EXPECT_LT(built, calls_.size()) << "blocks are alike";
  std::vector<const vulkan::Pipeline*> first;
  for (const vulkan::KernelCall* call : calls_) {
    first.push_back(&pipelines_->get(*call));
    EXPECT_TRUE(*first.back()->handle);
    EXPECT_EQ(first.back()->bindings, call->operands.size());
  }
  EXPECT_EQ(pipelines_->built().size(), built) << "get() finds them all";
  pipelines_->build(calls_, never_cancelled);
  for (std::size_t i = 0; i < calls_.size(); ++i) EXPECT_EQ(&pipelines_->get(*calls_[i]), first[i]);
}

TEST_F(Kernels, OneThatCannotBeBuiltIsAnErrorAndTheOthersStay) {
  vulkan::KernelCall unknown = *calls_.front();
  unknown.kernel = "no such kernel";
  calls_.push_back(&unknown);
  EXPECT_ANY_THROW(pipelines_->build(calls_, never_cancelled));
  calls_.pop_back();
  pipelines_->build(calls_, never_cancelled);
  for (const vulkan::KernelCall* call : calls_) EXPECT_TRUE(*pipelines_->get(*call).handle);
}

TEST_F(Kernels, AreNotBegunOnceCancelled) {
  const std::atomic<bool> cancelled = true;
  EXPECT_THROW(pipelines_->build(calls_, cancelled), Cancelled);
  EXPECT_TRUE(pipelines_->built().empty());
}

}  // namespace
}  // namespace dit::test
