// SPDX-License-Identifier: MIT
#include "engine/session/session.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <thread>

#include "tests/engine/support/devices_under_test.h"
#include "tests/engine/support/golden.h"

namespace dit::test {
namespace {

using Icon = std::vector<std::uint8_t>;

std::string shipped() { return std::string(DIT_SOURCE_DIR) + "/models/icons.safetensors"; }

class Sessions : public ExecutorTest {
 protected:
  std::unique_ptr<Session> open(const std::string& model = golden_path("tiny.safetensors")) {
    const std::string device = GetParam() == "cpu" ? "cpu" : "vulkan:" + std::to_string(vulkan_index());
    return Session::open({.model = model, .device = device, .options = {.threads = 2, .precision = Precision::f32}});
  }
  static Icon read(Session& session, std::uint32_t icon = 0) {
    const ModelConfig& config = session.model().config();
    Icon out(std::size_t{config.width} * config.height * 4, 0xaa);
    session.read(icon, out);
    return out;
  }
  static Icon render(Session& session, const IconSettings& settings, std::uint64_t index = 0) {
    session.begin(settings, index, 1);
    session.advance(session.steps());
    return read(session);
  }
};

IconSettings settings(std::uint32_t steps = 4, double guidance = 2) {
  IconSettings s;
  s.seed = 7;
  s.steps = steps;
  s.guidance = guidance;
  return s;
}

TEST_P(Sessions, SameSeedAndIndexGiveTheSameIcon) {
  const auto one = open(), two = open();
  EXPECT_EQ(render(*one, settings()), render(*two, settings()));
  EXPECT_EQ(render(*one, settings()), render(*one, settings()));
  EXPECT_NE(render(*one, settings(), 0), render(*one, settings(), 1));
  IconSettings other = settings();
  other.seed = 8;
  EXPECT_NE(render(*one, settings()), render(*one, other));
}

TEST_P(Sessions, BatchNeverChangesAPicture) {
  const auto session = open();
  std::vector<Icon> single;
  for (std::uint64_t i = 0; i < 5; ++i) single.push_back(render(*session, settings(), 100 + i));
  for (const std::uint32_t batch : {2u, 3u, 5u}) {
    session->begin(settings(), 100, batch);
    session->advance(session->steps());
    for (std::uint32_t i = 0; i < batch; ++i)
      EXPECT_EQ(read(*session, i), single[i]) << "icon " << i << " of " << batch;
  }
}

TEST_P(Sessions, OrderAndSettingsInBetweenNeverChangeAPicture) {
  const auto session = open();
  const Icon first = render(*session, settings(4, 2), 3);
  render(*session, settings(7, 1), 9);
  render(*session, settings(2, 3), 3);
  IconSettings ancestral = settings(4, 2);
  ancestral.sampler = Sampler::ddpm;
  render(*session, ancestral, 3);
  EXPECT_EQ(render(*session, settings(4, 2), 3), first);
}

TEST_P(Sessions, StepsOneByOneEndLikeAllAtOnce) {
  const auto session = open();
  for (const Sampler sampler : all_samplers()) {
    IconSettings s = settings(6);
    s.sampler = sampler;
    const Icon at_once = render(*session, s);
    session->begin(s, 0, 1);
    Icon last;
    for (std::uint32_t step = 1; step <= 6; ++step) {
      session->advance(step);
      EXPECT_EQ(session->step(), step);
      const Icon now = read(*session);
      EXPECT_NE(now, last) << "step " << step << " changed nothing";
      last = now;
    }
    EXPECT_EQ(last, at_once) << name_of(sampler);
  }
}

TEST_P(Sessions, AncestralNoiseIsPartOfTheSeed) {
  const auto session = open();
  IconSettings s = settings(5);
  s.sampler = Sampler::ddpm;
  EXPECT_EQ(render(*session, s), render(*session, s));
  EXPECT_NE(render(*session, s, 0), render(*session, s, 1));
}

TEST_P(Sessions, CancelEndsARunningIconAndTheNextOneIsWhole) {
  const auto session = open();
  const Icon expected = render(*session, settings());
  std::thread canceller([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    session->cancel();
  });
  // A quick machine paints many icons before it is told to stop; a cancel that is never heard runs out of rounds.
  const auto paint_on = [&] {
    for (int round = 0; round < 1000; ++round) render(*session, settings(1000));
  };
  EXPECT_THROW(paint_on(), Cancelled);
  canceller.join();
  EXPECT_THROW(session->advance(1000), Cancelled) << "stays cancelled until resume()";
  session->resume();
  EXPECT_EQ(render(*session, settings()), expected);
}

TEST_P(Sessions, RefusesWhatMakesNoSense) {
  const auto session = open();
  EXPECT_THROW(session->advance(1), Error) << "before begin()";
  EXPECT_THROW(session->begin(settings(0), 0, 1), Error);
  EXPECT_THROW(session->begin(settings(4), 0, 0), Error);
  IconSettings s = settings();
  s.style = "nostyle";
  EXPECT_THROW(session->begin(s, 0, 1), Error);
  session->begin(settings(4), 0, 1);
  EXPECT_THROW(session->advance(5), Error);
  Icon wrong(3);
  EXPECT_THROW(session->read(0, wrong), Error);
  EXPECT_THROW(session->read(1, wrong), Error);
  // A refused request must leave the last good one usable.
  EXPECT_THROW(session->begin(settings(100000), 0, 1), Error);
  EXPECT_NO_THROW(render(*session, settings(4)));
}

INSTANTIATE_TEST_SUITE_P(Executors, Sessions, ::testing::Values("cpu", "vulkan"),
                         [](const auto& instance) { return instance.param; });

/// Largest difference of two straight-alpha icons as they look: premultiplied, in steps of 1/255.
double visible_difference(const Icon& a, const Icon& b) {
  double worst = 0;
  for (std::size_t p = 0; p < a.size(); p += 4) {
    worst = std::max(worst, std::fabs(double(a[p + 3]) - b[p + 3]));
    for (std::size_t c = 0; c < 3; ++c) {
      worst = std::max(worst, std::fabs(a[p + c] * a[p + 3] / 255.0 - b[p + c] * b[p + 3] / 255.0));
    }
  }
  return worst;
}

TEST(AcrossExecutors, TheSameIconWithinOneOf255) {
  if (const std::string problem = vulkan_problem(); !problem.empty()) GTEST_SKIP() << "Vulkan: " << problem;
  const std::string vulkan = "vulkan:" + std::to_string(vulkan_index());
  // On a software device only the tiny model, and one step of the shipped one.
  for (const bool tiny : {true, false}) {
    const std::string model = tiny ? golden_path("tiny.safetensors") : shipped();
    const auto cpu = Session::open({.model = model, .device = "cpu", .options = {.precision = Precision::f32}});
    const auto gpu = Session::open({.model = model, .device = vulkan, .options = {.precision = Precision::f32}});
    IconSettings s = settings(tiny || !vulkan_is_software() ? 8 : 1, 2.5);
    for (std::uint64_t index = 0; index < (tiny ? 20 : vulkan_is_software() ? 1 : 8); ++index) {
      std::vector<Icon> icons;
      for (Session* session : {cpu.get(), gpu.get()}) {
        session->begin(s, index, 1);
        session->advance(session->steps());
        icons.emplace_back(std::size_t{session->model().config().width} * session->model().config().height * 4);
        session->read(0, icons.back());
      }
      EXPECT_LE(visible_difference(icons[0], icons[1]), 1.0 + 1e-9) << (tiny ? "tiny" : "shipped") << " icon " << index;
    }
  }
}

TEST(Devices, CpuComesFirstAndAutoNeverTakesSoftwareVulkan) {
  const auto devices = list_devices();
  ASSERT_FALSE(devices.empty());
  EXPECT_EQ(devices[0].spec, "cpu");
  EXPECT_TRUE(devices[0].problem.empty());
  const auto opened = open_device("auto", Model::open(golden_path("tiny.safetensors")), {.threads = 1});
  EXPECT_FALSE(opened.executor->info().software);
  const bool gpu = std::any_of(devices.begin(), devices.end(),
                               [](const DeviceInfo& d) { return d.hardware_gpu && d.problem.empty(); });
  EXPECT_EQ(opened.executor->info().hardware_gpu, gpu);
  EXPECT_FALSE(opened.note.empty());
}

TEST(Devices, NamesThatFitNothingAreErrors) {
  const auto model = Model::open(golden_path("tiny.safetensors"));
  const auto kind_of = [&](const char* spec) {
    try {
      open_device(spec, model, {.threads = 1});
    } catch (const Error& error) {
      return error.kind();
    }
    ADD_FAILURE() << spec << " opened";
    return ErrorKind::unsupported;
  };
  EXPECT_EQ(kind_of("tpu"), ErrorKind::settings);
  EXPECT_EQ(kind_of(""), ErrorKind::settings);
  EXPECT_EQ(kind_of("vulkan:"), ErrorKind::settings);
  EXPECT_EQ(kind_of("vulkan:no such card"), ErrorKind::device);
  EXPECT_EQ(kind_of("vulkan:999"), ErrorKind::device);
}

}  // namespace
}  // namespace dit::test
