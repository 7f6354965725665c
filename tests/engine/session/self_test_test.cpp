// SPDX-License-Identifier: MIT
// A device that computes wrong without saying so: the self-test finds it, and another way of computing takes over.
#include <dlfcn.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <limits>
#include <string>

#include "engine/session/device.h"
#include "tests/engine/ops/pointwise.h"
#include "tests/engine/support/devices_under_test.h"
#include "tests/engine/support/golden.h"
#include "tests/faults/faults.h"

namespace dit::test {
namespace {

SelfTest fresh_test() {
  return make_self_test(
      [](std::shared_ptr<const Weights> weights) { return cpu::open(std::move(weights), {.threads = 1}); });
}

class SelfTests : public ::testing::Test {
 protected:
  void SetUp() override {
    if (const std::string problem = vulkan_problem(); !problem.empty()) GTEST_SKIP() << "Vulkan: " << problem;
    const std::string folder = std::string(DIT_BUILD_DIR) + "/tests/faults";
    void* library = dlopen((folder + "/libdit_faults.so").c_str(), RTLD_NOW);
    ASSERT_NE(library, nullptr) << dlerror();
    deaden_ = reinterpret_cast<DitFaultsDeaden>(dlsym(library, "dit_faults_deaden"));
    ASSERT_NE(deaden_, nullptr);
    setenv("VK_ADD_LAYER_PATH", folder.c_str(), 1);
    setenv("VK_INSTANCE_LAYERS", "VK_LAYER_DIT_faults", 1);
  }
  void TearDown() override {
    if (deaden_) deaden_(nullptr);
    unsetenv("VK_ADD_LAYER_PATH");
    unsetenv("VK_INSTANCE_LAYERS");
  }

  /// What an opened device says of itself when kernels whose names start with `dead` do nothing.
  DeviceInfo open(Precision precision, Fusion fusion, const char* dead, const SelfTest& test = pointwise_test()) {
    deaden_(dead);
    const OpenedDevice opened =
        open_device("vulkan:" + std::to_string(vulkan_index()), model_, {.precision = precision, .fusion = fusion},
                    [&]() -> const SelfTest& { return test; });
    deaden_(nullptr);
    return opened.executor->info();
  }

  std::shared_ptr<const Model> model_ = Model::open(golden_path("tiny.safetensors"));
  DitFaultsDeaden deaden_ = nullptr;
};

TEST_F(SelfTests, RightKernelsAreTrusted) {
  // A software device takes a minute to compile a network's fused kernels.
  const bool all = std::getenv("DIT_TEST_ALL_FUSIONS") != nullptr;
  const DeviceInfo info = open(Precision::f16, Fusion::block, nullptr, all ? fresh_test() : pointwise_test());
  EXPECT_EQ(info.precision, "f16");
  EXPECT_EQ(info.fusion, "block");
  EXPECT_EQ(info.warning, "");
}

TEST_F(SelfTests, APrecisionThatComputesWrongFallsBackToF32) {
  const DeviceInfo info = open(Precision::f16, Fusion::op, "dispatch_f16");
  EXPECT_EQ(info.precision, "f32");
  EXPECT_EQ(info.fusion, "op");
  for (const char* part : {info.name.c_str(), "precision f16, fusion op fails its self-test", "wrong by",
                           "precision f32, fusion op is used instead"}) {
    EXPECT_NE(info.warning.find(part), std::string::npos) << part << " in: " << info.warning;
  }
}

TEST_F(SelfTests, APersistentDispatchThatComputesWrongFallsBackToBlocks) {
  if (!std::getenv("DIT_TEST_ALL_FUSIONS"))
    GTEST_SKIP() << "icon.comp takes a minute to compile: DIT_TEST_ALL_FUSIONS=1";
  const DeviceInfo info = open(Precision::f32, Fusion::single, "icon");
  EXPECT_EQ(info.precision, "f32");
  EXPECT_EQ(info.fusion, "block");
  EXPECT_NE(info.warning.find("fusion single fails"), std::string::npos) << info.warning;
}

TEST_F(SelfTests, ThePlainKernelsAreWhatIsLeft) {
  const DeviceInfo info = open(Precision::f32, Fusion::none, "dispatch");
  EXPECT_EQ(info.precision, "f32");
  EXPECT_EQ(info.fusion, "op");
  EXPECT_NE(info.warning.find("precision f32, fusion none fails"), std::string::npos) << info.warning;
}

TEST(SelfTest, TellsWrongFromRight) {
  const SelfTest test = fresh_test();
  ASSERT_FALSE(test.expected.empty());
  std::vector<float> x = test.expected;
  EXPECT_EQ(error_of(test, x), 0);
  x[5] += 1;
  EXPECT_GT(error_of(test, x), self_test_bound(Precision::f16));
  x[5] = std::numeric_limits<float>::quiet_NaN();
  EXPECT_GT(error_of(test, x), 1e9);
  x.resize(3);
  EXPECT_GT(error_of(test, x), 1e9);
}

}  // namespace
}  // namespace dit::test
