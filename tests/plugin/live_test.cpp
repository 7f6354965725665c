// SPDX-License-Identifier: MIT
// Live streams: a steady rate whatever the icons take, latency, late policies, steps under pressure.
#include <gtest/gtest.h>

#include <functional>
#include <iostream>
#include <mutex>
#include <set>

#include "tests/plugin/support/player.h"

namespace dit::plugin_test {
namespace {

/// When buffers leave the element, and what they say.
class Departures {
 public:
  explicit Departures(GstElement* source) {
    GstPad* pad = gst_element_get_static_pad(source, "src");
    gst_pad_add_probe(
        pad, GST_PAD_PROBE_TYPE_BUFFER,
        [](GstPad*, GstPadProbeInfo* info, gpointer self) {
          static_cast<Departures*>(self)->add(GST_PAD_PROBE_INFO_BUFFER(info));
          return GST_PAD_PROBE_OK;
        },
        this, nullptr);
    gst_object_unref(pad);
  }

  struct One {
    double seconds;
    GstClockTime pts;
    std::uint64_t offset;
    std::uint64_t icon;
    guint steps;
    bool discont, repeated;
  };
  std::vector<One> all() {
    const std::lock_guard lock(mutex_);
    return all_;
  }

 private:
  void add(GstBuffer* buffer) {
    const double now = static_cast<double>(g_get_monotonic_time()) / 1e6;
    GstCustomMeta* meta = gst_buffer_get_custom_meta(buffer, "GstDitMeta");
    ASSERT_NE(meta, nullptr);
    guint64 icon = 0;
    guint steps = 0;
    gboolean repeated = FALSE;
    gst_structure_get(gst_custom_meta_get_structure(meta), "index", G_TYPE_UINT64, &icon, "steps", G_TYPE_UINT, &steps,
                      "repeated", G_TYPE_BOOLEAN, &repeated, nullptr);
    const std::lock_guard lock(mutex_);
    all_.push_back({now, GST_BUFFER_PTS(buffer), GST_BUFFER_OFFSET(buffer), icon, steps,
                    GST_BUFFER_IS_DISCONT(buffer) != FALSE, repeated != FALSE});
  }

  std::mutex mutex_;
  std::vector<One> all_;
};

using Frames = std::vector<Departures::One>;

/// Frames a second: the slope of frame number over time, by least squares, so that one late frame weighs little.
double rate_of(const Frames& frames) {
  double n = 0, t = 0, nt = 0, tt = 0;
  const double count = static_cast<double>(frames.size());
  for (std::size_t i = 0; i < frames.size(); ++i) {
    const double x = frames[i].seconds - frames[0].seconds;
    n += static_cast<double>(i);
    t += x;
    nt += static_cast<double>(i) * x;
    tt += x * x;
  }
  return (count * nt - n * t) / (count * tt - t * t);
}

GstStructure* stats_of(GstElement* element) {
  GstStructure* stats = nullptr;
  g_object_get(element, "stats", &stats, nullptr);
  return stats;
}

guint64 number(GstElement* element, const char* field) {
  GstStructure* stats = stats_of(element);
  guint64 value = 0;
  EXPECT_TRUE(gst_structure_get_uint64(stats, field, &value)) << field;
  gst_structure_free(stats);
  return value;
}

const std::string at_30 = "video/x-raw,format=RGBA,framerate=30/1";
#define SKIP_IF_SANITIZED() \
  if (sanitized) GTEST_SKIP() << "an icon takes ten seconds under a sanitizer, and this test waits for many"

// More steps of the shipped model than fit into a thirtieth of a second, on sixteen cores too.
const Properties slow = {
    {"model-location", icon_model()}, {"is-live", "true"}, {"steps", "24"}, {"guidance", "1"}, {"prompt", "red fox"}};

Properties with(Properties properties, const Properties& more) {
  properties.insert(properties.end(), more.begin(), more.end());
  return properties;
}

/// A pipeline with a clock, and what has left its source.
struct Live {
  explicit Live(const Properties& properties, const std::string& caps = at_30, bool sync = true)
      : player(properties, caps, sync), departures(player.source()) {}

  static bool at_once(const Frames&) { return true; }

  /// Plays for so long, and then on until there is what the test is about: a machine may be busy.
  Frames play(double seconds, const std::function<bool(const Frames&)>& enough = at_once) {
    player.play();
    g_usleep(static_cast<gulong>(seconds * G_USEC_PER_SEC));
    for (int tenths = 0; tenths < 600 && !enough(departures.all()); ++tenths) g_usleep(G_USEC_PER_SEC / 10);
    player.pause();
    return departures.all();
  }

  Player player;
  Departures departures;
};

TEST(DitSrcLive, PausedHasNoPrerollAndPlayingHasFrames) {
  GstElement* element = make_element({{"is-live", "true"}});
  EXPECT_EQ(gst_element_set_state(element, GST_STATE_PAUSED), GST_STATE_CHANGE_NO_PREROLL);
  gst_element_set_state(element, GST_STATE_NULL);
  gst_object_unref(element);
}

TEST(DitSrcLive, ASlowIconIsRepeatedAtASteadyRate) {
  Live live(slow);
  const Frames frames = live.play(4, [](const Frames& f) { return f.size() > 50; });
  ASSERT_GT(frames.size(), 50U);
  std::set<std::uint64_t> icons;
  std::size_t repeated = 0;
  for (std::size_t i = 0; i < frames.size(); ++i) {
    icons.insert(frames[i].icon);
    repeated += frames[i].repeated;
    if (i > 0) {
      EXPECT_EQ(frames[i].repeated, frames[i].icon == frames[i - 1].icon) << i;
      EXPECT_GE(frames[i].icon, frames[i - 1].icon);
      EXPECT_LE(frames[i].icon, frames[i - 1].icon + 1) << "no icon is thrown away";
    }
  }
  EXPECT_FALSE(frames[0].repeated) << "the first frame is a finished icon, not a blank";
  EXPECT_GT(repeated, frames.size() / 4) << "icons were not slow";
  EXPECT_NEAR(rate_of(frames), 30.0, 0.1);
  // The pause may have caught a frame that is counted but not out yet.
  EXPECT_LE(number(live.player.source(), "repeated") - repeated, 1U);
  EXPECT_LE(number(live.player.source(), "frames") - frames.size(), 1U);
  EXPECT_TRUE(live.player.errors().empty()) << "the sink complained";
  std::cout << frames.size() << " frames, " << rate_of(frames) << " a second, " << icons.size() << " icons\n";
}

/// Quality values of the QoS messages on the bus, millionths of the steps asked for.
std::vector<gint> qualities(const Player& player) {
  std::vector<gint> found;
  while (GstMessage* message = gst_bus_pop_filtered(GST_ELEMENT_BUS(player.pipeline()), GST_MESSAGE_ANY)) {
    if (GST_MESSAGE_TYPE(message) == GST_MESSAGE_QOS && GST_MESSAGE_SRC(message) == GST_OBJECT(player.source())) {
      gint quality = 0;
      gst_message_parse_qos_values(message, nullptr, nullptr, &quality);
      found.push_back(quality);
    }
    EXPECT_NE(GST_MESSAGE_TYPE(message), GST_MESSAGE_WARNING) << "the sink complained";
    EXPECT_NE(GST_MESSAGE_TYPE(message), GST_MESSAGE_ERROR);
    gst_message_unref(message);
  }
  return found;
}

TEST(DitSrcLive, StepsGoDownUnderPressureAndUpWhenThereIsTime) {
  SKIP_IF_SANITIZED();
  Live live(with(slow, {{"min-steps", "2"}}));
  const Frames pressed = live.play(3, [](const Frames& f) { return f.size() > 30 && f.back().steps < 24; });
  ASSERT_GT(pressed.size(), 30U);
  EXPECT_EQ(pressed[0].steps, 24U);
  const guint low = pressed.back().steps;
  EXPECT_LT(low, 24U);
  EXPECT_GE(low, 2U);
  EXPECT_NEAR(rate_of(pressed), 30.0, 0.2);
  const auto down = qualities(live.player);
  ASSERT_FALSE(down.empty());
  EXPECT_LT(down[0], 1000000);
  // Two frames a second leave fifteen times the room.
  set(live.player.filter(), {{"caps", "video/x-raw,format=RGBA,framerate=2/1"}});
  const guint high = live.play(3, [low](const Frames& f) { return f.back().steps > low; }).back().steps;
  EXPECT_GT(high, low);
  const auto up = qualities(live.player);
  ASSERT_FALSE(up.empty());
  EXPECT_GT(up.back(), down.back());
  std::cout << "steps: 24 asked, " << low << " at 30/1, " << high << " at 2/1\n";
}

TEST(DitSrcLive, WithoutMinStepsPicturesNeverDependOnTheTime) {
  Live live(slow);
  for (const auto& frame : live.play(1)) EXPECT_EQ(frame.steps, 24U);
  EXPECT_TRUE(qualities(live.player).empty());
}

TEST(DitSrcLive, SkippingLeavesFramesOutAndSaysSo) {
  SKIP_IF_SANITIZED();
  Live live(with(slow, {{"late-policy", "skip"}}));
  const Frames frames = live.play(2, [](const Frames& f) { return f.size() > 2; });
  ASSERT_GT(frames.size(), 2U);
  std::uint64_t skipped = 0;
  for (std::size_t i = 0; i < frames.size(); ++i) {
    EXPECT_EQ(frames[i].icon, frames[i].offset) << "a frame's picture is a function of its number";
    const std::uint64_t gap = i == 0 ? frames[0].offset : frames[i].offset - frames[i - 1].offset - 1;
    EXPECT_EQ(frames[i].discont, i == 0 || gap > 0) << i;
    skipped += gap;
    if (i > 0) {
      // On the grid, and within a rounding of it.
      EXPECT_NEAR(static_cast<double>(frames[i].pts - frames[0].pts),
                  static_cast<double>(frames[i].offset - frames[0].offset) * 1e9 / 30, 2);
    }
  }
  EXPECT_GT(skipped, 0U);
  EXPECT_GE(number(live.player.source(), "skipped"), skipped);  // the pause may have caught one that is not out yet
  EXPECT_TRUE(live.player.errors().empty()) << "the sink complained";
}

TEST(DitSrcLive, LatePaintsEveryFrame) {
  SKIP_IF_SANITIZED();
  Live live(with(slow, {{"late-policy", "late"}}), at_30, false);
  const Frames frames = live.play(2, [](const Frames& f) { return f.size() > 2; });
  ASSERT_GT(frames.size(), 2U);
  for (std::size_t i = 0; i < frames.size(); ++i) {
    EXPECT_EQ(frames[i].offset, i);
    EXPECT_EQ(frames[i].icon, i);
  }
  EXPECT_EQ(number(live.player.source(), "skipped"), 0U);
}

TEST(DitSrcLive, QuickIconsAreOneAFrameOnTheClock) {
  for (const std::string policy : {"repeat", "skip", "late"}) {
    SCOPED_TRACE(policy);
    Live live({{"is-live", "true"}, {"steps", "1"}, {"late-policy", policy}, {"num-buffers", "10"}},
              "video/x-raw,format=RGBA,framerate=10/1", false);
    live.player.play();
    live.player.until_end();
    const Frames frames = live.departures.all();
    ASSERT_EQ(frames.size(), 10U);
    for (std::size_t i = 0; i < frames.size(); ++i) {
      EXPECT_EQ(frames[i].icon, i);
      EXPECT_EQ(frames[i].offset, i);
    }
    EXPECT_NEAR(rate_of(frames), 10.0, 0.4);
  }
}

TEST(DitSrcLive, LatencyIsAFrameOrTheIconsTimeAndChangesAreTold) {
  const auto latency = [](GstElement* element) {
    GstQuery* query = gst_query_new_latency();
    gboolean live = FALSE;
    GstClockTime least = 0;
    GstClockTime most = 0;
    EXPECT_TRUE(gst_element_query(element, query));
    gst_query_parse_latency(query, &live, &least, &most);
    gst_query_unref(query);
    EXPECT_TRUE(live);
    EXPECT_EQ(most, GST_CLOCK_TIME_NONE);
    return least;
  };
  Player repeating({{"is-live", "true"}}, at_30, true);
  repeating.play();
  GstMessage* told = repeating.await(GST_MESSAGE_LATENCY);
  ASSERT_NE(told, nullptr);
  gst_message_unref(told);
  EXPECT_EQ(latency(repeating.source()), GST_SECOND / 30);

  Player skipping(with(slow, {{"late-policy", "skip"}}), at_30, true);
  skipping.play();
  for (int i = 0; i < 2; ++i) {  // the caps', then the first slow icon's
    told = skipping.await(GST_MESSAGE_LATENCY);
    ASSERT_NE(told, nullptr);
    EXPECT_EQ(GST_MESSAGE_SRC(told), GST_OBJECT(skipping.source()));
    gst_message_unref(told);
  }
  EXPECT_GT(latency(skipping.source()), GST_SECOND / 30);
  EXPECT_GE(latency(skipping.source()), number(skipping.source(), "last-render-time") / 2);
}

TEST(DitSrcLive, PausingStopsTheFramesAndKeepsTheRate) {
  Live live({{"is-live", "true"}, {"steps", "1"}}, "video/x-raw,format=RGBA,framerate=20/1");
  live.play(1);
  g_usleep(100000);
  const std::size_t before = live.departures.all().size();
  g_usleep(500000);
  EXPECT_EQ(live.departures.all().size(), before);
  const Frames frames = live.play(1, [before](const Frames& f) { return f.size() > before + 10; });
  EXPECT_GT(frames.size(), before + 10);
  // Running time stands still in PAUSED, so the grid goes on without a gap.
  for (std::size_t i = 1; i < frames.size(); ++i) EXPECT_EQ(frames[i].pts - frames[i - 1].pts, GST_SECOND / 20) << i;
}

TEST(DitSrcQos, ASlowSinkMakesStepsFewer) {
  // Not live, but the sink waits for the clock: it says that buffers are late.
  Live slow_icons({{"model-location", icon_model()}, {"steps", "24"}, {"guidance", "1"}, {"min-steps", "3"}});
  const Frames frames = slow_icons.play(3, [](const Frames& f) { return f.size() > 3 && f.back().steps < 24; });
  ASSERT_GT(frames.size(), 3U);
  EXPECT_EQ(frames[0].steps, 24U);
  EXPECT_LT(frames.back().steps, 24U);
  EXPECT_GE(frames.back().steps, 3U);
}

}  // namespace
}  // namespace dit::plugin_test
