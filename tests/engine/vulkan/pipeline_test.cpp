// SPDX-License-Identifier: MIT
// Batches of points, walks between prompts, and pipelines: the same pictures, however they are made.
#include <gtest/gtest.h>

#include <numeric>
#include <vector>

#include "engine/session/session.h"
#include "tests/engine/support/devices_under_test.h"
#include "tests/engine/support/golden.h"

namespace dit::test {
namespace {

using Icon = std::vector<std::uint8_t>;

class Pipelines : public ExecutorTest {
 protected:
  std::unique_ptr<Session> open() {
    const std::string device = GetParam() == "cpu" ? "cpu" : "vulkan:" + std::to_string(vulkan_index());
    return Session::open({.model = golden_path("tiny.safetensors"),
                          .device = device,
                          .options = {.threads = 2, .precision = Precision::f32}});
  }
  static Icon read(Session& session, std::uint32_t icon = 0) {
    const ModelConfig& config = session.model().config();
    Icon out(std::size_t{config.width} * config.height * 4, 0xaa);
    session.read(icon, out);
    return out;
  }
  static Icon render(Session& session, const IconSettings& settings, const IconPoint& point) {
    session.begin(settings, std::span(&point, 1));
    session.advance(session.steps());
    return read(session);
  }
};

IconSettings settings(std::uint32_t steps, double guidance = 2, Sampler sampler = Sampler::euler) {
  IconSettings s;
  s.steps = steps;
  s.guidance = guidance;
  s.sampler = sampler;
  return s;
}

IconPoint point(std::uint64_t n) {
  return {.from = {7, n}, .toward = {7, n + 1}, .blend = static_cast<double>(n % 3) * 0.25};
}

TEST_P(Pipelines, GiveThePicturesOfABatch) {
  const auto session = open();
  for (const Sampler sampler : {Sampler::euler, Sampler::ddpm, Sampler::dpmpp_3m}) {
    const std::vector<std::pair<std::uint32_t, std::uint32_t>> steps_and_slots = {
        {1, 1}, {3, 3}, {5, 2}, {6, 3}, {4, 9}};
    for (const auto& [steps, slots] : steps_and_slots) {
      const IconSettings s = settings(steps, sampler == Sampler::euler ? 2 : 1, sampler);
      session->begin_pipeline(s, point, slots);
      std::vector<Icon> icons;
      for (int n = 0; n < 9; ++n) icons.push_back(read(*session, session->next_icon()));
      for (std::size_t n = 0; n < icons.size(); ++n) {
        EXPECT_EQ(icons[n], render(*session, s, point(n)))
            << name_of(sampler) << ", icon " << n << " of " << steps << " steps in " << slots << " slots";
      }
    }
  }
}

TEST_P(Pipelines, EndWithTheNextBatchAndWithCancel) {
  const auto session = open();
  EXPECT_THROW(session->next_icon(), Error) << "before begin_pipeline()";
  session->begin_pipeline(settings(4), point, 4);
  EXPECT_THROW(session->advance(1), Error) << "inside a pipeline";
  session->next_icon();
  session->cancel();
  EXPECT_THROW(session->next_icon(), Cancelled);
  session->resume();
  EXPECT_THROW(session->next_icon(), Error) << "after a cancel";
  session->begin_pipeline(settings(4), point, 4);
  const Icon first = read(*session, session->next_icon());
  EXPECT_EQ(first, render(*session, settings(4), point(0)));
  EXPECT_THROW(session->next_icon(), Error) << "after begin()";
  IconSettings way = settings(4);
  way.toward_prompt = "cat";
  EXPECT_THROW(session->begin_pipeline(way, point, 2), Error);
}

TEST_P(Pipelines, FewerStepsInALargerPlanChangeNothing) {
  const auto fresh = open();
  const Icon expected = render(*fresh, settings(3), point(1));
  const auto session = open();
  render(*session, settings(9), point(0));
  EXPECT_EQ(render(*session, settings(3), point(1)), expected);
  EXPECT_THROW(session->advance(4), Error);
}

TEST_P(Pipelines, TheWayToAnotherPromptStartsAndEndsAtThePrompts) {
  const auto session = open();
  const auto& words = session->model().config().words;
  IconSettings from = settings(3), toward = settings(3), way = settings(3);
  from.prompt = words.at(0);
  toward.prompt = words.at(1);
  way.prompt = from.prompt;
  way.toward_prompt = toward.prompt;
  const auto at = [](double blend) { return IconPoint{{5, 0}, {5, 1}, blend}; };
  const Icon start = render(*session, from, at(0)), end = render(*session, toward, at(1));
  EXPECT_EQ(render(*session, way, at(0)), start);
  EXPECT_EQ(render(*session, way, at(1)), end);
  const Icon middle = render(*session, way, at(0.5));
  EXPECT_NE(middle, start);
  EXPECT_NE(middle, end);
  EXPECT_NE(middle, render(*session, from, at(0.5))) << "the prompt moves too";
  // Each icon of a batch has a condition of its own.
  const std::vector<IconPoint> points = {at(0), at(0.5), at(1)};
  session->begin(way, points);
  session->advance(3);
  EXPECT_EQ(read(*session, 0), start);
  EXPECT_EQ(read(*session, 1), middle);
  EXPECT_EQ(read(*session, 2), end);
}

INSTANTIATE_TEST_SUITE_P(Executors, Pipelines, ::testing::Values("cpu", "vulkan"),
                         [](const auto& instance) { return instance.param; });

}  // namespace
}  // namespace dit::test
