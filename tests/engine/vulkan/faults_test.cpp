// SPDX-License-Identifier: MIT
// What if Vulkan fails? A layer (tests/faults) lets the calls of an engine's life fail, one after another: each ends in
// one error of the right kind or in the right picture, and whatever comes after works. DIT_TEST_FAULTS=all tries every
// call; without it the first and the last call of each function.
#include <gtest/gtest.h>

#include <chrono>
#include <cstdlib>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "engine/session/session.h"
#include "tests/engine/support/devices_under_test.h"
#include "tests/engine/support/golden.h"
#include "tests/engine/vulkan/faults_layer.h"

namespace dit::test {
namespace {

using Picture = std::vector<std::uint8_t>;
using Clock = std::chrono::steady_clock;

// Far more than a cycle of the tiny model takes, far less than the engine's own limit for work that hangs.
constexpr std::chrono::seconds cycle_limit{30};

class Faults : public ::testing::TestWithParam<DitFault> {
 protected:
  void SetUp() override {
    const std::string problem = vulkan_problem();
    if (!problem.empty()) GTEST_SKIP() << "Vulkan: " << problem;
    layer_ = std::make_unique<FaultsLayer>();
    ASSERT_EQ(layer_->problem(), "");
  }

  static std::shared_ptr<Engine> open() {
    return Engine::open_own({.model = golden_path("tiny.safetensors"),
                             .device = "vulkan:" + std::to_string(vulkan_index()),
                             .options = {}});
  }

  static Picture paint(Session& session, std::uint32_t count) {
    IconSettings settings;
    settings.seed = 7;
    settings.steps = 2;
    settings.guidance = 2;
    session.begin(settings, 0, count);
    session.advance(1);
    session.advance(2);
    Picture picture(std::size_t{session.model().config().width} * session.model().config().height * 4);
    session.read(count - 1, picture);
    return picture;
  }

  /// Opens, paints, changes the plan, paints again.
  static Picture life(std::shared_ptr<Engine>* engine = nullptr) {
    const auto opened = open();
    if (engine) *engine = opened;
    const auto session = Session::open(opened);
    Picture all = paint(*session, 1);
    const Picture more = paint(*session, 2);
    all.insert(all.end(), more.begin(), more.end());
    return all;
  }

  /// The call that failed. Waiting takes as many calls as it takes, so numbers of two lives may differ a little.
  std::string failed(std::uint64_t nth) const {
    const char* name = layer_->name(nth);
    return name ? name : "(over before)";
  }

  static bool sampled() {
    const char* wanted = std::getenv("DIT_TEST_FAULTS");
    return !wanted || std::string(wanted) != "all";
  }

  /// Call number `nth` fails in one life; the next ones are whole.
  void check(std::uint64_t nth, const Picture& expected);

  std::vector<std::uint64_t> chosen(const std::vector<std::string>& names) const;

  std::unique_ptr<FaultsLayer> layer_;
  std::map<std::string, int> errors_, survived_;
};

void Faults::check(std::uint64_t nth, const Picture& expected) {
  SCOPED_TRACE("call " + std::to_string(nth));
  const auto start = Clock::now();
  std::shared_ptr<Engine> engine;
  layer_->arm(nth, GetParam());
  try {
    // What the engine can do without must not change the picture.
    EXPECT_EQ(life(&engine), expected);
    ++survived_[failed(nth)];
  } catch (const Error& error) {
    const bool memory = error.kind() == ErrorKind::out_of_memory, device = error.kind() == ErrorKind::device;
    EXPECT_TRUE(GetParam() == DIT_FAULT_LOSS ? device : memory || device) << error.what();
    EXPECT_GE(std::string(error.what()).size(), 20u) << error.what();
    ++errors_[failed(nth)];
  }
  layer_->arm(0, GetParam());
  // The same engine, if it was opened: whole again when memory is, refused while the device is lost.
  if (engine) {
    try {
      const Picture again = paint(*Session::open(engine), 1);
      EXPECT_TRUE(std::equal(again.begin(), again.end(), expected.begin()));
    } catch (const Error& error) {
      // A device whose work could not even be waited for is given up as well.
      EXPECT_NE(GetParam(), DIT_FAULT_MEMORY) << error.what();
      EXPECT_EQ(error.kind(), ErrorKind::device) << error.what();
    }
  }
  if (!sampled() || nth % 4 == 0 || GetParam() == DIT_FAULT_LOSS) {
    EXPECT_EQ(life(), expected) << "the next engine";
  }
  EXPECT_LT(Clock::now() - start, cycle_limit);
}

/// Numbers of the calls to fail: all, or for each function the first and the last.
std::vector<std::uint64_t> Faults::chosen(const std::vector<std::string>& names) const {
  std::map<std::string, std::vector<std::uint64_t>> calls;
  for (std::uint64_t i = 0; i < names.size(); ++i) calls[names[i]].push_back(i + 1);
  std::set<std::uint64_t> numbers;
  for (const auto& [name, at] : calls) {
    if (!sampled()) numbers.insert(at.begin(), at.end());
    numbers.insert(at.front());
    // Once memory is gone it stays so: what fails first matters, not how often.
    if (GetParam() != DIT_FAULT_STARVED) numbers.insert(at.back());
  }
  return {numbers.begin(), numbers.end()};
}

TEST_P(Faults, EveryCallMayFail) {
  layer_->arm(0, GetParam());
  const Picture expected = life();
  std::vector<std::string> names;
  for (std::uint64_t i = 1; i <= layer_->count(); ++i) names.emplace_back(layer_->name(i));
  ASSERT_GT(names.size(), GetParam() == DIT_FAULT_LOSS ? 8u : 100u) << "the layer is not in the chain";
  for (const std::uint64_t nth : chosen(names)) {
    check(nth, expected);
    if (HasFatalFailure()) return;
  }
  fmt::print("{} fallible calls in a life\n", names.size());
  for (const auto& [name, count] : errors_) fmt::print("  {:<32} {} errors\n", name, count);
  for (const auto& [name, count] : survived_) fmt::print("  {:<32} {} times done without\n", name, count);
}

class LostDevice : public Faults {};

TEST_P(LostDevice, IsNotSharedWithWhoeverAsksNext) {
  const SessionOptions options = {
      .model = golden_path("tiny.safetensors"), .device = "vulkan:" + std::to_string(vulkan_index()), .options = {}};
  const auto first = Session::open(Engine::open(options));
  EXPECT_EQ(Engine::open(options), first->engine());
  const Picture expected = paint(*first, 1);
  layer_->arm(1, DIT_FAULT_LOSS);
  const auto error_of = [](const auto& action) -> std::string {
    try {
      action();
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::device) << error.what();
      return error.what();
    }
    return "no error";
  };
  EXPECT_NE(error_of([&] { paint(*first, 1); }).find("lost"), std::string::npos);
  const auto second = Session::open(Engine::open(options));
  EXPECT_NE(second->engine(), first->engine());
  EXPECT_EQ(paint(*second, 1), expected);
  EXPECT_NE(error_of([&] { paint(*first, 1); }), "no error") << "a lost device stays lost";
  EXPECT_EQ(Engine::open(options), second->engine());
}

INSTANTIATE_TEST_SUITE_P(Vulkan, LostDevice, ::testing::Values(DIT_FAULT_LOSS),
                         [](const auto&) { return std::string("loss"); });

INSTANTIATE_TEST_SUITE_P(Vulkan, Faults, ::testing::Values(DIT_FAULT_MEMORY, DIT_FAULT_STARVED, DIT_FAULT_LOSS),
                         [](const auto& instance) {
                           return std::string(instance.param == DIT_FAULT_MEMORY    ? "memory"
                                              : instance.param == DIT_FAULT_STARVED ? "starved"
                                                                                    : "loss");
                         });

}  // namespace
}  // namespace dit::test
