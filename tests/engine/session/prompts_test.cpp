// SPDX-License-Identifier: MIT
// Sessions of a model whose attention sees the prompt: which prompt an icon of a batch gets.
#include <gtest/gtest.h>

#include <map>

#include "engine/session/session.h"
#include "tests/engine/support/devices_under_test.h"
#include "tests/engine/support/golden.h"

namespace dit::test {
namespace {

using Icon = std::vector<std::uint8_t>;

class PromptSessions : public ExecutorTest {
 protected:
  static std::unique_ptr<Session> open(const std::string& model = "tiny-detail") {
    const std::string device = GetParam() == "cpu" ? "cpu" : "vulkan:" + std::to_string(vulkan_index());
    return Session::open({.model = golden_path(model + ".safetensors"),
                          .device = device,
                          .options = {.threads = 2, .precision = Precision::f32}});
  }
  static Icon read(Session& session, std::uint32_t icon = 0) {
    const ModelConfig& config = session.model().config();
    Icon out(std::size_t{config.width} * config.height * 4);
    session.read(icon, out);
    return out;
  }
  static Icon paint(Session& session, const std::string& prompt, std::uint64_t index = 0, double guidance = 2) {
    session.begin(settings(prompt, guidance), index, 1);
    session.advance(session.steps());
    return read(session);
  }
  static IconSettings settings(const std::string& prompt, double guidance = 2) {
    IconSettings s;
    s.prompt = prompt;
    s.seed = 7;
    s.steps = 4;
    s.guidance = guidance;
    return s;
  }
};

TEST_P(PromptSessions, TheOrderOfWordsIsSeen) {
  const auto session = open(), without = open("tiny");
  EXPECT_NE(paint(*session, "red fox"), paint(*session, "fox red"));
  EXPECT_EQ(paint(*without, "red fox"), paint(*without, "fox red"));
}

TEST_P(PromptSessions, ANewPromptIsReadAndAnOldOneAgain) {
  const auto session = open();
  const Icon fox = paint(*session, "red fox"), tree = paint(*session, "green tree");
  EXPECT_NE(fox, tree);
  EXPECT_EQ(paint(*session, "red fox"), fox);
  EXPECT_EQ(paint(*open(), "green tree"), tree);
}

TEST_P(PromptSessions, BatchNeverChangesAPicture) {
  const auto session = open();
  for (const double guidance : {1.0, 2.5}) {
    std::vector<Icon> single;
    for (std::uint64_t i = 0; i < 3; ++i) single.push_back(paint(*session, "blue car", i, guidance));
    session->begin(settings("blue car", guidance), 0, 3);
    session->advance(session->steps());
    for (std::uint32_t i = 0; i < 3; ++i) EXPECT_EQ(read(*session, i), single[i]) << i << ", guidance " << guidance;
  }
}

TEST_P(PromptSessions, GuidanceZeroGivesThePictureOfNoPrompt) {
  const auto session = open();
  const Icon expected = paint(*session, "", 3, 1);
  EXPECT_EQ(paint(*session, "red fox", 3, 0), expected);
  EXPECT_NE(paint(*session, "red fox", 3, 1), expected);
}

TEST_P(PromptSessions, AWayBeginsAtOnePromptAndEndsAtTheOther) {
  const auto session = open();
  const Icon from = paint(*session, "red fox"), toward = paint(*session, "green tree");
  IconSettings way = settings("red fox");
  way.toward_prompt = "green tree";
  const auto at = [](double blend) { return IconPoint{.from = {7, 0}, .toward = {7, 0}, .blend = blend}; };
  // Blends of noise with itself are not that noise, so only the ends show the prompts alone.
  session->begin(way, std::vector{at(1), at(0.5), at(0)});
  session->advance(session->steps());
  EXPECT_EQ(read(*session, 2), from);
  EXPECT_EQ(read(*session, 0), toward);
  const Icon middle = read(*session, 1);
  EXPECT_NE(middle, from);
  EXPECT_NE(middle, toward);
  session->begin(way, std::vector{at(0.5), at(0), at(1)});
  session->advance(session->steps());
  EXPECT_EQ(read(*session, 0), middle) << "in another place of the batch";
}

TEST_P(PromptSessions, APipelineGivesThePicturesOfBatches) {
  const auto session = open();
  for (const double guidance : {1.0, 2.5}) {
    std::map<std::uint64_t, Icon> single;
    for (std::uint64_t i = 0; i < 5; ++i) single[i] = paint(*session, "red car", i, guidance);
    session->begin_pipeline(
        settings("red car", guidance),
        [](std::uint64_t i) {
          return IconPoint{.from = {7, i}};
        },
        3);
    for (std::uint64_t i = 0; i < 5; ++i) {
      const std::uint32_t place = session->next_icon();
      EXPECT_EQ(read(*session, place), single[i]) << i << ", guidance " << guidance;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Executors, PromptSessions, ::testing::Values("cpu", "vulkan"),
                         [](const auto& instance) { return instance.param; });

}  // namespace
}  // namespace dit::test
