// SPDX-License-Identifier: MIT
// A device that computes wrong without saying so: the self-test finds it, and another way of computing takes over.
#include <dlfcn.h>
#include <gtest/gtest.h>

#include <array>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <limits>
#include <string>

#include "engine/cpu/executor.h"
#include "engine/session/device.h"
#include "engine/vulkan/choose/self_test.h"
#include "tests/engine/ops/pointwise.h"
#include "tests/engine/support/devices_under_test.h"
#include "tests/engine/support/golden.h"
#include "tests/faults/faults.h"

namespace dit::test {
namespace {

std::unique_ptr<Executor> cpu_in_f32(std::shared_ptr<const Weights> weights) {
  return cpu::open(std::move(weights), {.threads = 1});
}

std::shared_ptr<const Model> tiny() { return Model::open(golden_path("tiny.safetensors")); }

SelfTest fresh_test() { return make_self_test(tiny(), cpu_in_f32, CacheFolder()); }

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

  std::shared_ptr<const Model> model_ = tiny();
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
    GTEST_SKIP() << "persistent.comp takes minutes to compile: DIT_TEST_ALL_FUSIONS=1";
  setenv("DIT_MATRIX", "emulated", 1);
  const DeviceInfo info = open(Precision::f16_matrix, Fusion::persistent, "persistent");
  unsetenv("DIT_MATRIX");
  EXPECT_EQ(info.precision, "f16-matrix");
  EXPECT_EQ(info.fusion, "block");
  EXPECT_NE(info.warning.find("fusion single fails"), std::string::npos) << info.warning;
}

TEST_F(SelfTests, ThePlainKernelsAreWhatIsLeft) {
  const DeviceInfo info = open(Precision::f32, Fusion::none, "dispatch");
  EXPECT_EQ(info.precision, "f32");
  EXPECT_EQ(info.fusion, "op");
  EXPECT_NE(info.warning.find("precision f32, fusion none fails"), std::string::npos) << info.warning;
}

/// All that a judge works with, by a given test.
struct Bench {
  explicit Bench(SelfTest t) : test(std::move(t)) {
    shared.device = vulkan::open_device(vulkan_index());
    shared.pipelines = std::make_shared<vulkan::Pipelines>(*shared.device, CacheFolder());
    shared.source = std::make_shared<const Weights>();
  }

  SelfTest test;
  SelfTestSource source = [this]() -> const SelfTest& { return test; };
  vulkan::Shared shared;
  vulkan::Judge judge{shared, source};
};

/// What a judge chooses of f16 alone, by a test whose pictures are changed by `change` after the reference made them.
vulkan::Trusted automatic(const std::function<void(std::vector<std::uint8_t>&)>& change) {
  const SelfTest right = pointwise_test();
  std::vector<SelfTest::Known> known = right.known(false);
  change(known[0].rgba);
  SelfTest test = right;
  test.known = [known](bool) -> const std::vector<SelfTest::Known>& { return known; };
  Bench bench(std::move(test));
  return bench.judge.automatic(std::array{Precision::f16}, Fusion::op);
}

TEST_F(SelfTests, AnAutomaticPrecisionIsOneWhosePicturesLookTheSame) {
  const vulkan::Trusted same = automatic([](auto&) {});
  EXPECT_EQ(same.mode.precision, Precision::f16);
  EXPECT_TRUE(same.note.starts_with("precision f16, 0 % of pixels off by more than 1 of 255")) << same.note;
  const vulkan::Trusted other = automatic([](std::vector<std::uint8_t>& rgba) {
    for (std::size_t alpha = 3; alpha < 4 * 2; alpha += 4) rgba[alpha] ^= 0x80;
  });
  EXPECT_EQ(other.mode.precision, Precision::f32);
  EXPECT_NE(other.note.find("f16 has 3.1 % of pixels off"), std::string::npos) << "2 of 64: " << other.note;
  EXPECT_NE(other.note.find("; precision f32"), std::string::npos) << other.note;
}

TEST_F(SelfTests, AnAutomaticPrecisionComputesRight) {
  deaden_("dispatch_f16");
  const vulkan::Trusted trusted = automatic([](auto&) {});
  deaden_(nullptr);
  EXPECT_EQ(trusted.mode.precision, Precision::f32);
  EXPECT_EQ(trusted.warning, "") << "nobody asked for f16";
  EXPECT_NE(trusted.note.find("f16 fails its self-test: "), std::string::npos) << trusted.note;
}

TEST_F(SelfTests, KernelsThatDoNotServeAModelAreNotJudged) {
  SelfTest test = pointwise_test();
  Recorder r({.batch = 1, .steps = 1});
  const TensorId x = r.activation("x", {1, 4, 8, 8});
  r.set_x(x);
  r.step("noise", op::Noise{.x = x});
  for (int i = 0; i < 300; ++i) {
    r.step(fmt::format("combine {}", i), op::Combine{.prediction = r.activation("e", {1, 4, 8, 8}),
                                                     .x = x,
                                                     .history = r.activation("history", {4, 1, 4, 8, 8})});
  }
  const Program many = r.finish();
  test.tried = [&](std::uint32_t) { return SelfTest::Tried{many, {}}; };
  Bench bench(std::move(test));
  const vulkan::Mode block = {Precision::f32, Fusion::block};
  EXPECT_NE(bench.judge.judge(block, 1).refusal, "");
  EXPECT_EQ(bench.judge.judge(block, 1).failure, "");
  EXPECT_EQ(bench.judge.trusted(block).mode, block) << "the plan's own error says more";
  EXPECT_EQ(bench.judge.trusted(block).warning, "");
  const vulkan::Trusted automatic = bench.judge.automatic(std::array{Precision::f16}, Fusion::block);
  EXPECT_EQ(automatic.mode.precision, Precision::f32);
  EXPECT_TRUE(automatic.note.starts_with("f16 does not serve the model: ")) << automatic.note;
}

TEST(SelfTest, IconsAreOfAllTheModelAndTheSameInABatch) {
  const SelfTest test = fresh_test();
  const auto known = test.known(false);
  ASSERT_GT(known.size(), 1u);
  for (std::size_t i = 1; i < known.size(); ++i) EXPECT_GT(relative_difference(known[i].x, known[0].x), 0.1);
  const SelfTest::Tried three = test.tried(3);
  ASSERT_EQ(three.requests.size(), known.size());
  const auto executor = cpu_in_f32(test.weights);
  const auto plan = executor->plan(three.program);
  plan->set_request(three.requests[1]);
  plan->prepare(never_cancelled);
  const Ticket ticket = plan->run(0, three.program.shape.steps, never_cancelled);
  for (const std::uint32_t icon : {0u, 1u, 2u}) {
    std::vector<std::uint8_t> rgba(known[1].rgba.size());
    plan->read(ticket, icon, rgba);
    EXPECT_EQ(rgba, known[1].rgba) << icon;
  }
}

TEST(SelfTest, WhatIsKnownIsKeptForTheSameFile) {
  const std::filesystem::path folder = std::filesystem::path(DIT_BUILD_DIR) / "self-test";
  std::filesystem::remove_all(folder);
  std::filesystem::create_directories(folder);
  const std::filesystem::path file = folder / "tiny.safetensors";
  std::filesystem::copy_file(golden_path("tiny.safetensors"), file);
  int asked = 0;
  const auto known = [&](bool anew) {
    const SelfTest test = make_self_test(
        Model::open(file),
        [&](std::shared_ptr<const Weights> weights) {
          ++asked;
          return cpu_in_f32(std::move(weights));
        },
        CacheFolder(folder / "cache"));
    return test.known(anew)[1].rgba;
  };
  const std::vector<std::uint8_t> first = known(false);
  EXPECT_EQ(known(false), first);
  EXPECT_EQ(asked, 1);
  EXPECT_EQ(known(true), first);
  EXPECT_EQ(asked, 2) << "asked to";
  std::filesystem::last_write_time(file, std::filesystem::file_time_type::clock::now() + std::chrono::hours(1));
  EXPECT_EQ(known(false), first);
  EXPECT_EQ(asked, 3) << "another file, as far as one can tell";
  for (const auto& entry : std::filesystem::directory_iterator(folder / "cache"))
    std::filesystem::resize_file(entry.path(), std::filesystem::file_size(entry.path()) - 1);
  EXPECT_EQ(known(false), first);
  EXPECT_EQ(asked, 4) << "what is damaged is not there";
}

TEST(PictureDifferences, AreOfWhatIsSeen) {
  std::vector<std::uint8_t> expected(4 * 1000, 200), found = expected;
  EXPECT_TRUE(looks_the_same(picture_difference(found, expected)));
  for (std::uint8_t& value : found) ++value;
  const PictureDifference one = picture_difference(found, expected);
  EXPECT_EQ(one.share, 0) << "by 1";
  found = expected;
  for (std::size_t i = 0; i < found.size(); i += 4) expected[i + 3] = found[i + 3] = 0, found[i] = 7;
  EXPECT_EQ(picture_difference(found, expected).largest, 0) << "what is clear has no colour";
  found = expected = std::vector<std::uint8_t>(4 * 1000, 255);
  found[0] = 239;
  EXPECT_TRUE(looks_the_same(picture_difference(found, expected))) << "one pixel of a thousand by 16";
  found[0] = 238;
  EXPECT_FALSE(looks_the_same(picture_difference(found, expected))) << "by 17";
  found[0] = found[4] = 253;
  EXPECT_FALSE(looks_the_same(picture_difference(found, expected))) << "two of a thousand by 2";
  found.resize(4 * 998);
  EXPECT_EQ(picture_difference(found, expected).largest, 255) << "missing";
}

TEST(RelativeDifference, TellsWrongFromRight) {
  const std::vector<float> expected = {1, -2, 0.5f};
  EXPECT_EQ(relative_difference(expected, expected), 0);
  EXPECT_EQ(relative_difference(std::vector{1.f, -1.f, 0.5f}, expected), 0.5);
  EXPECT_GT(relative_difference(std::vector{1.f, -2.f, std::numeric_limits<float>::quiet_NaN()}, expected), 1e9);
  EXPECT_GT(relative_difference(std::vector{1.f, -2.f}, expected), 1e9);
}

}  // namespace
}  // namespace dit::test
