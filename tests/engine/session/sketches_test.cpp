// SPDX-License-Identifier: MIT
// Icons that begin with a sketch: what strength and mask mean to whoever paints, alone, in batches and in pipelines.
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "engine/session/session.h"
#include "tests/engine/support/devices_under_test.h"
#include "tests/engine/support/golden.h"

namespace dit::test {
namespace {

using Bytes = std::vector<std::uint8_t>;

/// Colours under every alpha, none of them clear.
Bytes drawing(const ModelConfig& config, std::uint32_t salt) {
  Bytes rgba;
  for (std::uint32_t i = 0; i < config.width * config.height; ++i) {
    const bool opaque = !config.premultiplied || i % 3 == 0;
    for (const std::uint32_t value : {i * 5 + salt, i * i + salt, 255 - i * 2, opaque ? 255 : 40 + i % 200})
      rgba.push_back(static_cast<std::uint8_t>(value));
  }
  return rgba;
}

IconSettings settings(Sampler sampler, std::uint32_t steps = 6, double guidance = 1) {
  IconSettings s;
  s.steps = steps;
  s.guidance = guidance;
  s.sampler = sampler;
  return s;
}

class Sketches : public ExecutorTest {
 protected:
  std::unique_ptr<Session> open(const char* model = "tiny.safetensors") {
    const std::string device = GetParam() == "cpu" ? "cpu" : "vulkan:" + std::to_string(vulkan_index());
    auto session = Session::open(
        {.model = golden_path(model), .device = device, .options = {.threads = 2, .precision = Precision::f32}});
    const ModelConfig& config = session->model().config();
    pictures_ = {drawing(config, 0), drawing(config, 90)};
    half_.resize(std::size_t{config.width} * config.height);
    for (std::size_t i = 0; i < half_.size(); ++i) half_[i] = i % config.width < config.width / 2 ? 255 : 0;
    soft_.assign(half_.size(), 100);
    all_.assign(half_.size(), 255);
    none_.assign(half_.size(), 0);
    return session;
  }
  IconPoint noise(std::uint64_t n) const { return {.from = {7, n}}; }
  IconPoint sketch(std::uint64_t n, double strength, const Bytes& mask = {}) const {
    return {.from = {7, n}, .sketch = {.rgba = pictures_[n % 2], .mask = mask, .strength = strength}};
  }
  static Bytes read(Session& session, std::uint32_t icon = 0) {
    const ModelConfig& config = session.model().config();
    Bytes out(std::size_t{config.width} * config.height * 4, 0xaa);
    session.read(icon, out);
    return out;
  }
  static Bytes render(Session& session, const IconSettings& settings, const IconPoint& point) {
    session.begin(settings, std::span(&point, 1));
    session.advance(session.steps());
    return read(session);
  }

  std::vector<Bytes> pictures_;
  Bytes half_, soft_, all_, none_;
};

TEST_P(Sketches, StrengthOneIsTheIconWithoutOne) {
  const auto session = open();
  for (const Sampler sampler : {Sampler::euler, Sampler::ddpm}) {
    const IconSettings s = settings(sampler, 4, 2);
    const Bytes expected = render(*session, s, noise(1));
    EXPECT_EQ(render(*session, s, sketch(1, 1)), expected);
    EXPECT_EQ(render(*session, s, sketch(1, 1, all_)), expected) << "with a mask that paints all";
    EXPECT_NE(render(*session, s, sketch(1, 0.99)), expected);
  }
}

TEST_P(Sketches, StrengthZeroGivesThemBack) {
  for (const char* model : {"tiny.safetensors", "tiny-eps.safetensors"}) {
    const auto session = open(model);
    for (const Sampler sampler : all_samplers()) {
      EXPECT_EQ(render(*session, settings(sampler), sketch(1, 0)), pictures_[1]) << model << " " << name_of(sampler);
      EXPECT_EQ(session->steps(), 1u);
      const Bytes nearly = render(*session, settings(sampler), sketch(1, 1e-10));
      EXPECT_EQ(nearly, pictures_[1]) << "less than a trained step, or a billionth of one";
    }
  }
}

TEST_P(Sketches, StrengthSaysHowManySteps) {
  const auto session = open();
  for (const auto& [strength, steps] : {std::pair{0.1, 1u}, {0.5, 3u}, {0.51, 4u}, {1.0, 6u}}) {
    render(*session, settings(Sampler::euler), sketch(0, strength));
    EXPECT_EQ(session->steps(), steps) << strength;
    EXPECT_EQ(session->schedule().size(), steps);
  }
}

TEST_P(Sketches, IconsOfAMixedBatchAreThoseOfBatchesOfTheirOwn) {
  for (const char* model : {"tiny.safetensors", "tiny-eps.safetensors"}) {
    const auto session = open(model);
    const std::vector<IconPoint> icons = {
        sketch(0, 0.5),        noise(1),       sketch(2, 0.2), sketch(3, 0, half_), sketch(4, 1, half_),
        sketch(5, 0.5, soft_), sketch(6, 1e-3)};
    for (const Sampler sampler : all_samplers()) {
      const IconSettings s = settings(sampler, 5, sampler == Sampler::ddpm ? 2 : 1);
      std::vector<Bytes> alone;
      for (const IconPoint& icon : icons) alone.push_back(render(*session, s, icon));
      session->begin(s, icons);
      session->advance(session->steps());
      EXPECT_EQ(session->steps(), 5u);
      for (std::uint32_t i = 0; i < icons.size(); ++i)
        EXPECT_EQ(read(*session, i), alone[i]) << model << " " << name_of(sampler) << ", icon " << i;
    }
  }
}

TEST_P(Sketches, MasksKeepWhatIsNotToBePainted) {
  for (const char* model : {"tiny.safetensors", "tiny-eps.safetensors"}) {
    const auto session = open(model);
    for (const Sampler sampler : {Sampler::ddim, Sampler::ddpm, Sampler::ipndm}) {
      for (const double strength : {0.4, 1.0}) {
        const Bytes painted = render(*session, settings(sampler), sketch(1, strength, half_));
        for (std::size_t i = 0; i < half_.size(); ++i) {
          const bool kept = std::equal(&painted[4 * i], &painted[4 * i] + 4, &pictures_[1][4 * i]);
          EXPECT_TRUE(kept || half_[i] != 0) << model << " " << name_of(sampler) << " pixel " << i;
        }
        EXPECT_NE(painted, pictures_[1]);
        EXPECT_NE(painted, render(*session, settings(sampler), sketch(1, strength)));
        EXPECT_EQ(render(*session, settings(sampler), sketch(1, strength, none_)), pictures_[1]);
      }
    }
  }
}

/// What is painted sees what is kept at each step: at the noise that it itself has then.
TEST_P(Sketches, MasksHoldTheSketchAtEveryStep) {
  const auto session = open();
  const IconPoint icon = sketch(1, 1, half_);
  session->begin(settings(Sampler::euler), std::span(&icon, 1), Pace::step_by_step);
  std::vector<Bytes> seen;
  for (std::uint32_t step = 1; step <= 6; ++step) {
    session->advance(step);
    seen.push_back(read(*session));
  }
  EXPECT_NE(seen[0], seen[5]);
  EXPECT_EQ(seen[5], render(*session, settings(Sampler::euler), icon));
  // A mask of all makes another left half: network and noise have met another right one.
  const Bytes free = render(*session, settings(Sampler::euler), noise(1));
  bool other = false;
  for (std::size_t i = 0; i < half_.size(); ++i)
    other |= half_[i] == 255 && !std::equal(&free[4 * i], &free[4 * i] + 4, &seen[5][4 * i]);
  EXPECT_TRUE(other);
}

TEST_P(Sketches, PipelinesGiveThePicturesOfABatch) {
  const auto session = open();
  for (const Sampler sampler : {Sampler::euler, Sampler::ddpm, Sampler::dpmpp_3m}) {
    const IconSettings s = settings(sampler, 6, sampler == Sampler::euler ? 2 : 1);
    Bytes reused;  // the next call may overwrite what the last one gave
    session->begin_pipeline(s,
                            [&](std::uint64_t n) {
                              reused = pictures_[n % 2];
                              IconPoint point = {.from = {7, n}};
                              point.sketch = {.rgba = reused, .strength = 0.6};
                              if (n % 3 == 0) point.sketch.mask = half_;
                              return point;
                            },
                            3, {.strength = 0.6, .masks = true});
    std::vector<Bytes> icons;
    for (int n = 0; n < 7; ++n) icons.push_back(read(*session, session->next_icon()));
    EXPECT_EQ(session->steps(), 4u);
    for (std::size_t n = 0; n < icons.size(); ++n) {
      IconPoint alone = {.from = {7, n}, .sketch = {.rgba = pictures_[n % 2], .strength = 0.6}};
      if (n % 3 == 0) alone.sketch.mask = half_;
      EXPECT_EQ(icons[n], render(*session, s, alone)) << name_of(sampler) << ", icon " << n;
    }
  }
}

TEST_P(Sketches, AnnouncedOnesAreThoseBegun) {
  const auto session = open();
  const IconSettings s = settings(Sampler::dpmpp_2m);
  const std::vector<IconPoint> series = {sketch(0, 0.5), sketch(1, 0.5), noise(2),           sketch(3, 0.5, half_),
                                         sketch(4, 0.2), sketch(5, 0.2), sketch(6, 1, all_), sketch(7, 0.2)};
  std::vector<Bytes> expected;
  for (const IconPoint& icon : series) expected.push_back(render(*session, s, icon));
  for (const bool late : {false, true}) {
    session->begin(s, std::span(&series[0], 1));
    for (std::size_t n = 0; n < series.size(); ++n) {
      const auto announce = [&] {
        if (n + 1 == series.size()) return;
        Bytes passing = pictures_[(n + 1) % 2];  // gone when the icon is painted
        IconPoint next = series[n + 1];
        if (!next.sketch.rgba.empty()) next.sketch.rgba = passing;
        session->announce(std::span(&next, 1));
        std::ranges::fill(passing, 0);
      };
      if (!late) announce();
      session->advance(session->steps());
      if (late) announce();
      EXPECT_EQ(read(*session), expected[n]) << "icon " << n << (late ? ", announced late" : "");
      if (n + 1 < series.size()) session->begin_announced();
    }
  }
}

TEST_P(Sketches, AreCopiedByBegin) {
  const auto session = open();
  const IconSettings s = settings(Sampler::euler);
  const Bytes expected = render(*session, s, sketch(1, 0.5, half_));
  Bytes picture = pictures_[1], mask = half_;
  for (const Pace pace : {Pace::whole, Pace::step_by_step}) {
    const IconPoint icon = {.from = {7, 1}, .sketch = {.rgba = picture, .mask = mask, .strength = 0.5}};
    session->begin(s, std::span(&icon, 1), pace);
    std::ranges::fill(picture, 9);
    std::ranges::fill(mask, 200);
    for (std::uint32_t step = 1; step <= session->steps(); ++step) session->advance(step);
    EXPECT_EQ(read(*session), expected);
    picture = pictures_[1];
    mask = half_;
  }
}

TEST_P(Sketches, SurviveACancel) {
  const auto session = open();
  const IconSettings s = settings(Sampler::ipndm);
  const IconPoint icon = sketch(1, 0.7, soft_);
  const Bytes expected = render(*session, s, icon);
  session->begin(s, std::span(&icon, 1));
  session->cancel();
  EXPECT_THROW(session->advance(session->steps()), Cancelled);
  session->resume();
  session->advance(session->steps());
  EXPECT_EQ(read(*session), expected);
}

TEST_P(Sketches, NameWhatIsWrong) {
  const auto session = open();
  const auto refused = [&](const IconPoint& icon, const std::string& part) {
    const std::vector<IconPoint> icons = {noise(0), icon};
    try {
      session->begin(settings(Sampler::euler), icons);
      ADD_FAILURE() << "expected an error that says " << part;
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::settings);
      EXPECT_NE(std::string(error.what()).find(part), std::string::npos) << error.what();
    }
  };
  refused(sketch(1, 1.5), "icon 1: strength: expected 0 to 1, found 1.5");
  refused(sketch(1, -0.1), "icon 1: strength: expected 0 to 1, found -0.1");
  refused({.sketch = {.strength = 0.5}}, "icon 1: strength: expected a sketch to begin with, found none");
  refused({.sketch = {.mask = half_}}, "icon 1: mask: expected a sketch to begin with, found none");
  const Bytes small(100);
  refused({.sketch = {.rgba = small}}, "icon 1: sketch: expected 384 bytes for 8x12 pixels of RGBA, found 100");
  refused(sketch(1, 0.5, small), "icon 1: mask: expected 96 bytes for 8x12 pixels, found 100");
  const auto pipeline_refuses = [&](const IconPoint& icon, const PipelineSketches& sketches) {
    session->begin_pipeline(
        settings(Sampler::euler), [&](std::uint64_t) { return icon; }, 2, sketches);
    EXPECT_THROW(session->next_icon(), Error);
    EXPECT_THROW(session->next_icon(), Error) << "the pipeline has ended";
  };
  pipeline_refuses(sketch(1, 0.5), {.strength = 0.6});
  pipeline_refuses(noise(1), {.strength = 0.6});
  pipeline_refuses(sketch(1, 0.6, half_), {.strength = 0.6});
  EXPECT_THROW(session->begin_pipeline(settings(Sampler::euler), nullptr, 2, {.strength = 2}), Error);
  // Too many rows for any memory, before there is some.
  std::vector<IconPoint> many;
  for (int i = 0; i < 64; ++i) many.push_back(sketch(1, 0.5 + i * 0.001));
  EXPECT_THROW(session->begin(settings(Sampler::euler, 1000), many), Error);
  EXPECT_EQ(render(*session, settings(Sampler::euler), sketch(1, 0)), pictures_[1]) << "the session goes on";
}

INSTANTIATE_TEST_SUITE_P(Executors, Sketches, ::testing::Values("cpu", "vulkan"),
                         [](const auto& instance) { return instance.param; });

}  // namespace
}  // namespace dit::test
