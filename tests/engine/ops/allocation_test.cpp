// SPDX-License-Identifier: MIT
// Nothing is allocated per icon after the first one: operator new is counted while icons are painted.
// Not under AddressSanitizer, whose own operator new finds other faults.
#ifndef __SANITIZE_ADDRESS__
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <new>
#include <vector>

#include "engine/session/session.h"
#include "tests/engine/support/devices_under_test.h"
#include "tests/engine/support/golden.h"

namespace {

std::atomic<bool> counting{false};
std::atomic<std::size_t> allocations{0};

void* allocate(std::size_t size, std::size_t alignment) {
  if (counting) ++allocations;
  // Of exactly that size: Memcheck holds it against the one that operator delete is told.
  void* memory = nullptr;
  if (posix_memalign(&memory, std::max(alignment, sizeof(void*)), size) == 0 && memory) return memory;
  throw std::bad_alloc();
}

constexpr std::size_t plain = alignof(std::max_align_t);

}  // namespace

void* operator new(std::size_t size) { return allocate(size, plain); }
void* operator new[](std::size_t size) { return allocate(size, plain); }
void* operator new(std::size_t size, std::align_val_t a) { return allocate(size, static_cast<std::size_t>(a)); }
void* operator new[](std::size_t size, std::align_val_t a) { return allocate(size, static_cast<std::size_t>(a)); }
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete[](void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }
void operator delete[](void* memory, std::size_t) noexcept { std::free(memory); }
void operator delete(void* memory, std::align_val_t) noexcept { std::free(memory); }
void operator delete[](void* memory, std::align_val_t) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t, std::align_val_t) noexcept { std::free(memory); }
void operator delete[](void* memory, std::size_t, std::align_val_t) noexcept { std::free(memory); }

namespace dit::test {
namespace {

enum class How { whole, step_by_step, announced };

std::size_t allocations_of(Session& session, How how) {
  IconSettings settings;
  settings.steps = 4;
  settings.guidance = 2;
  const ModelConfig& config = session.model().config();
  std::vector<std::uint8_t> icon(std::size_t{config.width} * config.height * 4);
  std::vector<IconPoint> next(2);
  const Pace pace = how == How::step_by_step ? Pace::step_by_step : Pace::whole;
  const auto paint = [&](std::uint64_t index) {
    settings.seed = index * 3;
    if (how == How::announced && index > 0) {
      session.begin_announced();
    } else {
      session.begin(settings, index, 2, pace);
    }
    for (std::uint64_t i = 0; i < next.size(); ++i) next[i] = {.from = {settings.seed + 3, index + 1 + i}};
    if (how == How::announced) session.announce(next);
    for (std::uint32_t step = 1; pace == Pace::step_by_step && step < session.steps(); ++step) session.advance(step);
    session.advance(session.steps());
    session.read(1, icon);
  };
  // On Vulkan each of the three ring entries has its own command buffers, and the first run finds out how long steps
  // take.
  for (std::uint64_t index = 0; index < 5; ++index) paint(index);
  allocations = 0;
  counting = true;
  for (std::uint64_t index = 5; index < 15; ++index) paint(index);
  counting = false;
  return allocations;
}

TEST(Allocations, AreCounted) {
  allocations = 0;
  counting = true;
  delete new std::vector<int>(100);
  counting = false;
  EXPECT_GE(allocations, 2u);
}

/// Its parameter is a model of tests/golden: one of each kind of network.
class ModelAllocations : public ::testing::TestWithParam<std::string> {};

INSTANTIATE_TEST_SUITE_P(Models, ModelAllocations, ::testing::Values("tiny", "tiny-detail"),
                         [](const auto& instance) { return instance.param == "tiny" ? "plain" : "parts"; });

TEST_P(ModelAllocations, NonePerIconOnTheCpu) {
  const auto session =
      Session::open({.model = golden_path(GetParam() + ".safetensors"), .device = "cpu", .options = {.threads = 2}});
  for (const How how : {How::whole, How::step_by_step, How::announced})
    EXPECT_EQ(allocations_of(*session, how), 0u) << static_cast<int>(how);
}

TEST_P(ModelAllocations, NonePerFrameOfAWalk) {
  const auto session =
      Session::open({.model = golden_path(GetParam() + ".safetensors"), .device = "cpu", .options = {.threads = 2}});
  IconSettings settings;
  settings.prompt = session->model().config().words.at(0);
  settings.toward_prompt = session->model().config().words.at(1);
  std::vector<IconPoint> points(2);
  const auto paint = [&](int frame) {
    for (IconPoint& point : points) point = {.from = {1, 2}, .toward = {1, 3}, .blend = frame * 0.01};
    session->begin(settings, points);
    session->advance(session->steps());
  };
  paint(0);
  allocations = 0;
  counting = true;
  for (int frame = 1; frame < 10; ++frame) paint(frame);
  counting = false;
  EXPECT_EQ(allocations, 0u);
}

TEST_P(ModelAllocations, NonePerIconInAPipeline) {
  const auto session =
      Session::open({.model = golden_path(GetParam() + ".safetensors"), .device = "cpu", .options = {.threads = 2}});
  IconSettings settings;
  settings.steps = 4;
  const auto point = [](std::uint64_t n) { return IconPoint{.from = {1, n}}; };
  session->begin_pipeline(settings, point, 4);
  session->next_icon();
  allocations = 0;
  counting = true;
  for (int n = 0; n < 9; ++n) session->next_icon();
  counting = false;
  EXPECT_EQ(allocations, 0u);
}

TEST(Allocations, NonePerIconOnVulkan) {
  if (const std::string problem = vulkan_problem(); !problem.empty()) GTEST_SKIP() << "Vulkan: " << problem;
  // A software driver compiles and schedules in this process, with allocations of its own.
  if (vulkan_is_software()) GTEST_SKIP() << "software Vulkan: the driver's own allocations cannot be told apart";
  const auto session =
      Session::open({.model = golden_path("tiny.safetensors"), .device = "vulkan:" + std::to_string(vulkan_index())});
  for (const How how : {How::whole, How::step_by_step, How::announced})
    EXPECT_EQ(allocations_of(*session, how), 0u) << static_cast<int>(how);
}

}  // namespace
}  // namespace dit::test

#endif  // __SANITIZE_ADDRESS__
