// SPDX-License-Identifier: MIT
// Motion: walks from icon to icon, loops without a seam, settings that change while playing; batches and pipelines that
// change no picture.
#include <gst/controller/gstdirectcontrolbinding.h>
#include <gst/controller/gstinterpolationcontrolsource.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <iostream>
#include <set>

#include "engine/session/session.h"
#include "tests/plugin/support/player.h"

namespace dit::plugin_test {
namespace {

using Bytes = std::vector<std::uint8_t>;

Properties with(Properties properties, const Properties& more) {
  properties.insert(properties.end(), more.begin(), more.end());
  return properties;
}

/// A point of a walk straight from the engine.
Bytes from_engine(IconSettings settings, const IconPoint& point, std::uint32_t steps) {
  const auto session = Session::open({.model = tiny_model(), .device = "cpu"});
  settings.steps = steps;
  session->begin(settings, std::span(&point, 1));
  session->advance(steps);
  Bytes rgba(std::size_t{12} * 8 * 4);
  session->read(0, rgba);
  return rgba;
}

/// Mean difference of two pictures, premultiplied: what is transparent cannot be seen to move.
double difference(const Bytes& a, const Bytes& b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); i += 4) {
    for (std::size_t c = 0; c < 3; ++c) sum += std::abs(a[i + c] * a[i + 3] - b[i + c] * b[i + 3]) / 255.0;
    sum += std::abs(a[i + 3] - b[i + 3]);
  }
  return sum / static_cast<double>(a.size());
}

double median(std::vector<double> values) {
  std::nth_element(values.begin(), values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2), values.end());
  return values[values.size() / 2];
}

const Properties fox = {{"prompt", "red fox"}, {"style", "flat"}, {"seed", "7"}, {"steps", "4"}};

IconSettings fox_settings() {
  IconSettings settings;
  settings.prompt = "red fox";
  settings.style = "flat";
  return settings;
}

TEST(DitSrcWalk, GoesFromIconToIconOnTheGreatCircle) {
  const auto frames = pictures(with(fox, {{"walk", "5"}}), 12);
  for (std::uint64_t n = 0; n < frames.size(); ++n) {
    const IconPoint point = {.from = {7, n / 5}, .toward = {7, n / 5 + 1}, .blend = static_cast<double>(n % 5) / 5};
    EXPECT_EQ(frames[n], from_engine(fox_settings(), point, 4)) << n;
  }
  // Its stations are the icons of the seed themselves.
  const auto icons = pictures(fox, 3);
  for (std::size_t k = 0; k < 3; ++k) EXPECT_EQ(frames[5 * k], icons[k]) << k;
}

/// Plays a loop one and a half times; the seam may be no larger than what moves elsewhere.
void expect_no_seam(const Properties& properties, std::size_t frames_in_loop) {
  const auto frames = pictures(properties, static_cast<int>(frames_in_loop + frames_in_loop / 2));
  for (std::size_t n = frames_in_loop; n < frames.size(); ++n) {
    ASSERT_EQ(frames[n], frames[n - frames_in_loop]) << "frame " << n << " is not that of the first round";
  }
  std::vector<double> steps;
  for (std::size_t n = 1; n < frames_in_loop; ++n) steps.push_back(difference(frames[n - 1], frames[n]));
  const double seam = difference(frames[frames_in_loop - 1], frames[0]);
  const double usual = median(steps);
  std::cout << "seam " << seam << ", median elsewhere " << usual << ", largest elsewhere "
            << *std::max_element(steps.begin(), steps.end()) << "\n";
  EXPECT_GT(usual, 0) << "nothing moves";
  EXPECT_LE(seam, 1.5 * usual);
  EXPECT_GT(std::set<Bytes>(frames.begin(), frames.end()).size(), frames_in_loop / 2) << "most frames are alike";
}

TEST(DitSrcWalk, ALoopHasNoSeam) {
  expect_no_seam(with(fox, {{"walk", "12"}, {"walk-loop", "3"}}), 36);
  expect_no_seam(with(fox, {{"walk", "12"}, {"walk-loop", "2"}, {"walk-prompts", "red fox | green tree"}}), 24);
}

TEST(DitSrcWalk, ALoopOfTheShippedModelHasNoSeam) {
  expect_no_seam({{"model-location", icon_model()},
                  {"prompt", "green heart"},
                  {"style", "fluent-emoji"},
                  {"seed", "3"},
                  {"steps", "2"},
                  {"walk", "12"},
                  {"walk-loop", "2"},
                  {"batch-size", "4"}},
                 24);
}

TEST(DitSrcWalk, LeadsFromPromptToPrompt) {
  const Properties walk = with(fox, {{"walk", "4"}, {"walk-prompts", "red fox|green tree | blue car"}});
  const auto frames = pictures(walk, 13);
  IconSettings settings = fox_settings();
  const char* prompts[] = {"red fox", "green tree", "blue car", "red fox", "green tree"};
  for (std::uint64_t n = 0; n < frames.size(); ++n) {
    settings.prompt = prompts[n / 4];
    settings.toward_prompt = prompts[n / 4 + 1];
    const IconPoint point = {.from = {7, n / 4}, .toward = {7, n / 4 + 1}, .blend = static_cast<double>(n % 4) / 4};
    EXPECT_EQ(frames[n], from_engine(settings, point, 4)) << n;
  }
  EXPECT_EQ(pictures(with(walk, {{"batch-size", "3"}}), 13), frames) << "a batch ends where the prompts change";
}

TEST(DitSrcWalk, AnUnknownPromptOnTheWayIsAnErrorAtOnce) {
  GstElement* element = make_element({{"walk", "4"}, {"walk-prompts", "red fox|zzz"}});
  GstBus* bus = gst_bus_new();
  gst_element_set_bus(element, bus);
  EXPECT_EQ(gst_element_set_state(element, GST_STATE_PAUSED), GST_STATE_CHANGE_FAILURE);
  const auto reports = drain(bus);
  ASSERT_EQ(reports.size(), 1U);
  EXPECT_NE(reports[0].text.find("zzz"), std::string::npos) << reports[0].text;
  gst_element_set_state(element, GST_STATE_NULL);
  gst_element_set_bus(element, nullptr);
  gst_object_unref(bus);
  gst_object_unref(element);
}

TEST(DitSrcBatch, NeitherBatchNorPipelineChangesAPicture) {
  const std::vector<Properties> streams = {
      fox,
      with(fox, {{"steps", "7"}, {"sampler", "dpm++3m"}}),
      with(fox, {{"sampler", "ddpm"}, {"guidance", "3"}}),
      with(fox, {{"sampler", "ipndm"}, {"steps", "6"}, {"walk", "4"}}),
      with(fox, {{"walk", "5"}, {"walk-loop", "2"}, {"walk-prompts", "red fox|green tree"}}),
      with(fox, {{"emit", "steps"}, {"hold", "2"}}),
      with(fox, {{"steps", "1"}}),
  };
  for (const Properties& stream : streams) {
    const auto truth = pictures(stream, 15);
    for (const std::string size : {"2", "3", "4", "8"}) {
      EXPECT_EQ(pictures(with(stream, {{"batch-size", size}}), 15), truth) << size;
      // The first frame too: nothing that a pipeline still warms up with is shown.
      EXPECT_EQ(pictures(with(stream, {{"batch-size", size}, {"pipelined", "true"}}), 15), truth) << size;
    }
  }
}

TEST(DitSrcBatch, APipelineIsRightAfterSeeksAndChanges) {
  const Properties properties = with(fox, {{"batch-size", "3"}, {"pipelined", "true"}, {"num-buffers", "20"}});
  const auto truth = pictures(fox, 20);
  Player player(properties);
  player.pause();
  const auto expect = [&](const std::vector<Frame>& frames, std::vector<std::size_t> numbers) {
    ASSERT_EQ(frames.size(), numbers.size());
    for (std::size_t i = 0; i < frames.size(); ++i) EXPECT_EQ(frames[i].bytes, truth[numbers[i]]) << numbers[i];
  };
  constexpr gint64 tenth = GST_SECOND / 10;
  ASSERT_TRUE(player.seek(1.0, GST_FORMAT_TIME, GST_SEEK_FLAG_FLUSH, 12 * tenth, 16 * tenth));
  player.play();
  expect(player.until_end(), {12, 13, 14, 15});
  ASSERT_TRUE(player.seek(-1.0, GST_FORMAT_TIME, GST_SEEK_FLAG_FLUSH, 0, 6 * tenth));
  expect(player.until_end(), {5, 4, 3, 2, 1, 0});
}

/// Seed and guidance follow curves; both are read at the frame's time.
TEST(DitSrcControl, PropertiesFollowACurve) {
  Source source(with(fox, {{"num-buffers", "11"}}));
  const auto control = [&](const char* property, double first, double last) {
    GstControlSource* curve = gst_interpolation_control_source_new();
    g_object_set(curve, "mode", GST_INTERPOLATION_MODE_LINEAR, nullptr);
    gst_timed_value_control_source_set(GST_TIMED_VALUE_CONTROL_SOURCE(curve), 0, first);
    gst_timed_value_control_source_set(GST_TIMED_VALUE_CONTROL_SOURCE(curve), GST_SECOND, last);
    EXPECT_TRUE(gst_object_add_control_binding(
        GST_OBJECT(source.element()),
        gst_direct_control_binding_new_absolute(GST_OBJECT(source.element()), property, curve)));
    gst_object_unref(curve);
  };
  control("guidance", 1, 6);
  control("seed", 0, 1000);
  source.play();
  const auto frames = source.pull(11);
  for (std::uint64_t n = 0; n < frames.size(); ++n) {
    IconSettings settings = fox_settings();
    settings.guidance = 1 + 0.5 * static_cast<double>(n);
    const IconKey key = {100 * n, n};
    EXPECT_EQ(frames[n].bytes, from_engine(settings, {.from = key, .toward = key}, 4)) << n;
  }
}

TEST(DitSrcControl, ChangesWhilePlayingTakeTheNextIconAndLoseNoFrame) {
  Player player(with(fox, {{"num-buffers", "60"}}));
  player.pause();
  for (int i = 0; i < 6; ++i) {
    const Properties changes[] = {{{"prompt", "green tree"}}, {{"style", "line"}}, {{"guidance", "3"}},
                                  {{"seed", "99"}},           {{"walk", "7"}},     {{"walk-prompts", "red fox|tree"}}};
    set(player.source(), changes[i]);
    player.play();
    g_usleep(3000);
    player.pause();
  }
  player.play();
  const auto frames = player.until_end();
  ASSERT_EQ(frames.size(), 60U);
  for (std::size_t n = 0; n < frames.size(); ++n) {
    EXPECT_EQ(frames[n].offset, n);
    const auto least = *std::min_element(frames[n].bytes.begin(), frames[n].bytes.end());
    const auto most = *std::max_element(frames[n].bytes.begin(), frames[n].bytes.end());
    EXPECT_NE(least, most) << "frame " << n << " is blank";
  }
}

}  // namespace
}  // namespace dit::plugin_test
