// SPDX-License-Identifier: MIT
// A GPU that is slower than the processor is not taken, and that is measured once.
#include "engine/session/trial/sooner.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <functional>
#include <string>

#include "engine/cpu/executor.h"
#include "engine/vulkan/executor.h"
#include "tests/engine/support/devices_under_test.h"
#include "tests/engine/support/golden.h"

namespace dit::test {
namespace {

class Sooner : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!vulkan_is_software()) GTEST_SKIP() << "wants a Vulkan device that is slower than the CPU";
    std::filesystem::remove_all(folder_);
  }

  OpenedDevice choose(const std::function<OpenedDevice()>& gpu, const std::function<OpenedDevice()>& other,
                      const char* key) const {
    return sooner(
        gpu, other, [this]() -> const SelfTest& { return test_; }, key, CacheFolder(folder_));
  }

  std::filesystem::path folder_ = std::filesystem::path(DIT_BUILD_DIR) / "sooner";
  std::shared_ptr<const Model> model_ = Model::open(golden_path("tiny.safetensors"));
  SelfTest test_ = make_self_test(
      model_, [](std::shared_ptr<const Weights> weights) { return cpu::open(std::move(weights), {.threads = 1}); },
      CacheFolder());
  std::function<OpenedDevice()> cpu_ = [this] {
    return OpenedDevice{cpu::open(model_->weights(), {.threads = 1}), "cpu"};
  };
  std::function<OpenedDevice()> slow_ = [this] {
    ++slow_opened_;
    return OpenedDevice{vulkan::open(model_->weights(), vulkan_index()), "slow"};
  };
  int slow_opened_ = 0;
};

TEST_F(Sooner, TheFasterOneIsTakenAndTheNoteSaysByHowMuch) {
  for (const std::string& note : {choose(slow_, cpu_, "a").note, choose(cpu_, slow_, "b").note})
    EXPECT_TRUE(note.starts_with("cpu; an icon takes ")) << note;
}

TEST_F(Sooner, IsMeasuredOnce) {
  const std::string first = choose(slow_, cpu_, "a").note;
  EXPECT_EQ(slow_opened_, 1);
  EXPECT_EQ(choose(slow_, cpu_, "a").note, first) << "the times of then";
  EXPECT_EQ(slow_opened_, 1) << "what lost is not opened again";
  choose(slow_, cpu_, "another model");
  EXPECT_EQ(slow_opened_, 2);
}

TEST_F(Sooner, ACpuThatCannotBeOpenedLoses) {
  const auto none = []() -> OpenedDevice { fail(ErrorKind::unsupported, "no f16 here"); };
  EXPECT_EQ(choose(slow_, none, "a").note, "slow; the CPU cannot be used: no f16 here");
}

}  // namespace
}  // namespace dit::test
