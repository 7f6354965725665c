// SPDX-License-Identifier: MIT
// The CPU takes int16 for precision=auto only where icons of the model look like those of f32, and tries that once.
#include "engine/session/trial/fast_cpu.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <string>

#include "engine/cpu/executor.h"
#include "engine/network/dit.h"
#include "engine/session/device.h"
#include "tests/engine/support/golden.h"

namespace dit::test {
namespace {

class FastCpus : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!cpu::serves(Precision::int16)) GTEST_SKIP() << "this processor does not multiply pairs of 16-bit integers";
    std::filesystem::remove_all(folder_);
  }

  FastCpu open(const char* key, const SelfTest& test) {
    const SelfTestSource source = [&]() -> const SelfTest& {
      ++asked_;
      return test;
    };
    return open_fast_cpu(model_->weights(), {.threads = 1}, source, key, CacheFolder(folder_));
  }

  /// The model's own, whose known icons have so many pixels painted over.
  SelfTest test_with(std::size_t pixels, std::uint8_t by) {
    SelfTest test = test_;
    known_ = test_.known(false);
    for (SelfTest::Known& icon : known_)
      for (std::size_t i = 0; i < std::min(4 * pixels, icon.rgba.size()); i += 4) {
        icon.rgba[i + 3] = static_cast<std::uint8_t>(icon.rgba[i + 3] ^ by);
        icon.rgba[i] = icon.rgba[i + 1] = icon.rgba[i + 2] = 0;
      }
    test.known = [this](bool) -> const std::vector<SelfTest::Known>& { return known_; };
    return test;
  }

  std::filesystem::path folder_ = std::filesystem::path(DIT_BUILD_DIR) / "fast-cpu";
  std::shared_ptr<const Model> model_ = Model::open(golden_path("tiny.safetensors"));
  SelfTest test_ = make_self_test(
      model_, [](std::shared_ptr<const Weights> weights) { return cpu::open(std::move(weights), {.threads = 1}); },
      CacheFolder());
  std::vector<SelfTest::Known> known_;
  int asked_ = 0;
};

TEST_F(FastCpus, StayF32WhereNothingCanBeKept) {
  const SelfTestSource source = [&]() -> const SelfTest& { return test_; };
  const FastCpu fast = open_fast_cpu(model_->weights(), {.threads = 1}, source, "a", CacheFolder());
  EXPECT_EQ(fast.executor->info().precision, "f32");
  EXPECT_NE(fast.note.find("no cache folder"), std::string::npos) << fast.note;
}

TEST_F(FastCpus, TakeInt16WhereIconsLookTheSame) {
  const FastCpu fast = open("a", test_);
  EXPECT_EQ(fast.executor->info().precision, "int16");
  EXPECT_NE(fast.note.find("precision int16, "), std::string::npos) << fast.note;
  EXPECT_NE(fast.note.find("% of pixels off by more than 1"), std::string::npos) << fast.note;
}

TEST_F(FastCpus, StayInF32WhereTheyDoNot) {
  // More pixels than one in a thousand, by little; one by much.
  for (const auto& [key, test] : {std::pair{"many", test_with(30, 8)}, {"far", test_with(1, 64)}}) {
    const FastCpu fast = open(key, test);
    EXPECT_EQ(fast.executor->info().precision, "f32") << key;
    EXPECT_NE(fast.note.find("int16 has "), std::string::npos) << fast.note;
    EXPECT_NE(fast.note.find("precision f32"), std::string::npos) << fast.note;
  }
}

TEST_F(FastCpus, TryOnceForAFile) {
  const std::string first = open("a", test_).note;
  const int asked = asked_;
  EXPECT_GT(asked, 0);
  EXPECT_EQ(open("a", test_with(4000, 64)).note, first) << "the difference of then";
  EXPECT_EQ(asked_, asked) << "no icon is painted again";
  EXPECT_EQ(open("another", test_with(4000, 64)).executor->info().precision, "f32");
  // What somebody damaged is not believed.
  for (const auto& entry : std::filesystem::directory_iterator(folder_))
    std::fstream(entry.path(), std::ios::in | std::ios::out | std::ios::binary).seekp(-1, std::ios::end).put('\xff');
  EXPECT_EQ(open("a", test_with(4000, 64)).executor->info().precision, "f32");
}

TEST_F(FastCpus, KeepNobodyWaitingForALargeModel) {
  SelfTest large = test_;
  large.tried = [this](std::uint32_t batch) {
    SelfTest::Tried tried = test_.tried(batch);
    tried.program = record(model_->config(), {.batch = batch, .steps = 10'000'000});
    return tried;
  };
  large.known = [](bool) -> const std::vector<SelfTest::Known>& {
    ADD_FAILURE() << "icons were painted";
    static const std::vector<SelfTest::Known> none;
    return none;
  };
  const FastCpu fast = open("large", large);
  EXPECT_EQ(fast.executor->info().precision, "f32");
  EXPECT_NE(fast.note.find("too long"), std::string::npos) << fast.note;
}

TEST_F(FastCpus, OnlyWhereNothingElseIsAskedFor) {
  const SelfTestSource test = [this]() -> const SelfTest& { return test_; };
  EXPECT_EQ(open_device("cpu", model_, {.precision = Precision::f32}, test).executor->info().precision, "f32");
  EXPECT_EQ(open_device("cpu", model_, {.precision = Precision::int16}, test).executor->info().precision, "int16");
}

}  // namespace
}  // namespace dit::test
