// SPDX-License-Identifier: MIT
// What a filter's icons show: those of the engine for the same sketch, whatever the format, the size and the batch.
#include <gtest/gtest.h>

#include <gst/controller/gstdirectcontrolbinding.h>
#include <gst/controller/gstinterpolationcontrolsource.h>

#include <array>
#include <tuple>

#include "tests/plugin/support/filter.h"

namespace dit::plugin_test {
namespace {

const Properties fox = {{"prompt", "red fox"}, {"steps", "4"}, {"strength", "0.5"}};

Properties with(Properties more) {
  Properties all = fox;
  all.insert(all.end(), more.begin(), more.end());
  return all;
}

TEST(DitFilterFrames, AreTheEnginesIcons) {
  FilterHarness filter(fox);
  for (unsigned n = 0; n < 3; ++n) {
    ASSERT_EQ(filter.push(drawing(n), n), GST_FLOW_OK);
    const Frame frame = filter.pull();
    EXPECT_EQ(frame.bytes, painted(drawing(n), {})) << n;
    EXPECT_EQ(frame.pts, n * GST_SECOND / 10);
    EXPECT_EQ(frame.duration, GST_SECOND / 10);
    EXPECT_EQ(frame.offset, n);
    EXPECT_EQ(frame.offset_end, n + 1);
  }
  EXPECT_EQ(filter.stat("icons"), 3U);
  EXPECT_TRUE(drain(filter.bus()).empty());
}

TEST(DitFilterFrames, OfStrengthOneAreTheSourcesIcon) {
  FilterHarness filter(with({{"strength", "1"}}));
  ASSERT_EQ(filter.push(drawing(1), 0), GST_FLOW_OK);
  EXPECT_EQ(filter.pull().bytes, pictures({{"prompt", "red fox"}, {"steps", "4"}}, 1)[0]);
}

TEST(DitFilterFrames, OfStrengthZeroAreThemselves) {
  FilterHarness filter(with({{"strength", "0"}}));
  const Bytes sketch = drawing(1);
  ASSERT_EQ(filter.push(sketch, 0), GST_FLOW_OK);
  const Bytes icon = filter.pull().bytes;
  ASSERT_EQ(icon.size(), sketch.size());
  for (std::size_t i = 0; i < icon.size(); ++i) {
    if (i % 4 != 3 && sketch[i | 3] == 0) continue;  // a colour that nobody sees
    EXPECT_NEAR(icon[i], sketch[i], 1) << i;
  }
}

TEST(DitFilterFrames, TakeSettingsAsTheyCome) {
  FilterHarness filter(fox);
  const std::vector<std::pair<Properties, Wanted>> changes = {
      {{{"strength", "0.75"}}, {.strength = 0.75}},
      {{{"strength", "0.25"}}, {.strength = 0.25}},
      {{{"strength", "1"}}, {.strength = 1}},
      {{{"strength", "0.5"}, {"prompt", "green tree"}}, {.prompt = "green tree"}},
      {{{"prompt", "red fox"}, {"steps", "7"}}, {.steps = 7}},
      {{{"seed", "9"}}, {.seed = 9, .steps = 7}},
  };
  unsigned n = 0;
  for (const auto& [properties, wanted] : changes) {
    set(filter.element(), properties);
    ASSERT_EQ(filter.push(drawing(2), n), GST_FLOW_OK);
    EXPECT_EQ(filter.pull().bytes, painted(drawing(2), wanted)) << n;
    ++n;
  }
}

TEST(DitFilterFrames, StrengthCanBeControlled) {
  FilterHarness filter(fox);
  GstControlSource* ramp = gst_interpolation_control_source_new();
  g_object_set(ramp, "mode", GST_INTERPOLATION_MODE_LINEAR, nullptr);
  gst_timed_value_control_source_set(GST_TIMED_VALUE_CONTROL_SOURCE(ramp), 0, 0.0);
  gst_timed_value_control_source_set(GST_TIMED_VALUE_CONTROL_SOURCE(ramp), GST_SECOND, 1.0);
  ASSERT_TRUE(gst_object_add_control_binding(
      GST_OBJECT(filter.element()),
      gst_direct_control_binding_new_absolute(GST_OBJECT(filter.element()), "strength", ramp)));
  gst_object_unref(ramp);
  for (const unsigned n : {2U, 5U, 9U}) {
    ASSERT_EQ(filter.push(drawing(0), n), GST_FLOW_OK);
    const Bytes icon = filter.pull().bytes;
    double strength = 0;
    g_object_get(filter.element(), "strength", &strength, nullptr);
    EXPECT_NEAR(strength, n / 10.0, 1e-6);
    EXPECT_EQ(icon, painted(drawing(0), {.strength = strength}));
  }
}

TEST(DitFilterFrames, AMaskKeepsWhatIsSolid) {
  Bytes sketch = drawing(3);
  for (std::size_t i = 3; i < sketch.size(); i += 4) sketch[i] = i < sketch.size() / 2 ? 255 : 0;
  FilterHarness filter(with({{"mask", "true"}, {"strength", "1"}}));
  ASSERT_EQ(filter.push(sketch, 0), GST_FLOW_OK);
  const Bytes icon = filter.pull().bytes;
  EXPECT_EQ(icon, painted(sketch, {.strength = 1, .mask = true}));
  for (std::size_t i = 0; i < sketch.size() / 2; ++i) EXPECT_NEAR(icon[i], sketch[i], 1) << i;
  EXPECT_NE(icon, painted(sketch, {.strength = 1}));
}

TEST(DitFilterFrames, RowsBeyondTheBufferAreAnError) {
  FilterHarness filter(fox);
  GstBuffer* buffer = FilterHarness::buffer_of(drawing(0), 0);
  gsize offsets[GST_VIDEO_MAX_PLANES] = {};
  gint strides[GST_VIDEO_MAX_PLANES] = {4096};
  gst_buffer_add_video_meta_full(buffer, GST_VIDEO_FRAME_FLAG_NONE, GST_VIDEO_FORMAT_RGBA, 8, 12, 1, offsets, strides);
  EXPECT_EQ(gst_harness_push(filter.harness(), buffer), GST_FLOW_ERROR);
  const auto reports = drain(filter.bus());
  ASSERT_EQ(reports.size(), 1U);
  EXPECT_EQ(reports[0].text, "cannot read a frame: expected a buffer of 45088 bytes, found one of 384");
}

TEST(DitFilterFrames, AMaskNeedsAlpha) {
  FilterHarness filter(with({{"mask", "true"}}), "video/x-raw,format=RGBx,width=8,height=12,framerate=10/1");
  const Bytes sketch = drawing(3);
  Bytes solid = sketch;
  for (std::size_t i = 3; i < solid.size(); i += 4) solid[i] = 255;
  for (unsigned n = 0; n < 2; ++n) {
    ASSERT_EQ(filter.push(sketch, n), GST_FLOW_OK);
    EXPECT_EQ(filter.pull().bytes, painted(solid, {}));
  }
  const auto reports = drain(filter.bus());
  ASSERT_EQ(reports.size(), 1U) << "a warning, once";
  EXPECT_EQ(reports[0].type, GST_MESSAGE_WARNING);
  EXPECT_NE(reports[0].text.find("found RGBx"), std::string::npos) << reports[0].text;
}

TEST(DitFilterFrames, AStillPictureIsAStillIconAndCostsNothing) {
  FilterHarness filter(fox);
  for (unsigned n = 0; n < 5; ++n) ASSERT_EQ(filter.push(drawing(n / 4), n), GST_FLOW_OK);
  const Bytes first = filter.pull().bytes;
  for (int n = 1; n < 4; ++n) EXPECT_EQ(filter.pull().bytes, first);
  EXPECT_NE(filter.pull().bytes, first);
  EXPECT_EQ(filter.stat("frames"), 5U);
  EXPECT_EQ(filter.stat("icons"), 2U);
  EXPECT_EQ(filter.stat("repeated"), 3U);
}

TEST(DitFilterFrames, NoiseMayAdvance) {
  FilterHarness filter(with({{"seed-mode", "advance"}, {"seed", "3"}}));
  for (const unsigned n : {0U, 1U, 7U, 4U}) {
    ASSERT_EQ(filter.push(drawing(0), n), GST_FLOW_OK);
    EXPECT_EQ(filter.pull().bytes, painted(drawing(0), {.seed = 3, .index = n})) << n;
  }
}

TEST(DitFilterFrames, GapsShowTheIconBefore) {
  FilterHarness filter(fox);
  ASSERT_EQ(filter.push(drawing(0), 0), GST_FLOW_OK);
  ASSERT_EQ(filter.push(drawing(1), 1, GST_BUFFER_FLAG_GAP), GST_FLOW_OK);
  const Bytes first = filter.pull().bytes;
  GstBuffer* gap = filter.take();
  ASSERT_NE(gap, nullptr);
  EXPECT_TRUE(GST_BUFFER_FLAG_IS_SET(gap, GST_BUFFER_FLAG_GAP));
  EXPECT_EQ(frame_of(gap, filter.harness()->sinkpad).bytes, first);
  EXPECT_EQ(GST_BUFFER_PTS(gap), GST_SECOND / 10);
  gst_buffer_unref(gap);
  EXPECT_EQ(filter.stat("icons"), 1U);
  // The picture before is still the one painted from.
  ASSERT_EQ(filter.push(drawing(1), 2), GST_FLOW_OK);
  EXPECT_EQ(filter.pull().bytes, painted(drawing(1), {}));
}

TEST(DitFilterFrames, AFirstGapIsPaintedAndNone) {
  FilterHarness filter(fox);
  ASSERT_EQ(filter.push(drawing(1), 0, GST_BUFFER_FLAG_GAP), GST_FLOW_OK);
  GstBuffer* icon = filter.take();
  ASSERT_NE(icon, nullptr);
  EXPECT_FALSE(GST_BUFFER_FLAG_IS_SET(icon, GST_BUFFER_FLAG_GAP));
  EXPECT_EQ(frame_of(icon, filter.harness()->sinkpad).bytes, painted(drawing(1), {}));
  gst_buffer_unref(icon);
}

TEST(DitFilterFrames, NeedNoTime) {
  FilterHarness filter(with({{"seed-mode", "advance"}}), "");
  gst_harness_push_event(filter.harness(), gst_event_new_stream_start("bytes"));
  GstCaps* caps = gst_caps_from_string("video/x-raw,format=RGBA,width=8,height=12,framerate=0/1");
  gst_harness_push_event(filter.harness(), gst_event_new_caps(caps));
  gst_caps_unref(caps);
  GstSegment segment;
  gst_segment_init(&segment, GST_FORMAT_BYTES);
  gst_harness_push_event(filter.harness(), gst_event_new_segment(&segment));
  for (unsigned n = 0; n < 2; ++n) {
    GstBuffer* buffer = FilterHarness::buffer_of(drawing(0), n);
    GST_BUFFER_PTS(buffer) = GST_BUFFER_DURATION(buffer) = GST_CLOCK_TIME_NONE;
    ASSERT_EQ(gst_harness_push(filter.harness(), buffer), GST_FLOW_OK);
    EXPECT_EQ(filter.pull().bytes, painted(drawing(0), {.index = n})) << "counted";
  }
}

TEST(DitFilterFrames, GapEventsPassInOrder) {
  FilterHarness filter(with({{"batch-size", "4"}}));
  while (GstEvent* event = gst_harness_try_pull_event(filter.harness())) gst_event_unref(event);
  ASSERT_EQ(filter.push(drawing(0), 0), GST_FLOW_OK);
  EXPECT_EQ(filter.ready(), 0U);
  ASSERT_TRUE(gst_harness_push_event(filter.harness(), gst_event_new_gap(GST_SECOND / 10, GST_SECOND)));
  EXPECT_EQ(filter.ready(), 1U) << "no frame is overtaken";
  bool seen = false;
  while (GstEvent* event = gst_harness_try_pull_event(filter.harness())) {
    seen |= GST_EVENT_TYPE(event) == GST_EVENT_GAP;
    gst_event_unref(event);
  }
  EXPECT_TRUE(seen);
}

TEST(DitFilterBatch, PaintsTheSame) {
  FilterHarness filter(with({{"batch-size", "3"}}));
  for (unsigned n = 0; n < 7; ++n) {
    // The third is as the second; the sixth may go further.
    if (n == 5) set(filter.element(), {{"strength", "0.75"}});
    ASSERT_EQ(filter.push(drawing(n == 2 ? 1 : n), n), GST_FLOW_OK);
    EXPECT_EQ(filter.ready(), (n + 1) / 3 * 3) << n;
  }
  ASSERT_TRUE(gst_harness_push_event(filter.harness(), gst_event_new_eos()));
  ASSERT_EQ(filter.ready(), 7U);
  for (unsigned n = 0; n < 7; ++n) {
    const Frame frame = filter.pull();
    EXPECT_EQ(frame.bytes, painted(drawing(n == 2 ? 1 : n), {.strength = n < 5 ? 0.5 : 0.75})) << n;
    EXPECT_EQ(frame.offset, n);
  }
  EXPECT_EQ(filter.stat("repeated"), 1U);
}

TEST(DitFilterBatch, EndsWhereTheSettingsChange) {
  FilterHarness filter(with({{"batch-size", "4"}}));
  ASSERT_EQ(filter.push(drawing(0), 0), GST_FLOW_OK);
  ASSERT_EQ(filter.push(drawing(1), 1), GST_FLOW_OK);
  set(filter.element(), {{"prompt", "green tree"}});
  ASSERT_EQ(filter.push(drawing(2), 2), GST_FLOW_OK);
  ASSERT_EQ(filter.ready(), 2U);
  EXPECT_EQ(filter.pull().bytes, painted(drawing(0), {}));
  EXPECT_EQ(filter.pull().bytes, painted(drawing(1), {}));
  // New caps wait for no batch either.
  gst_harness_set_src_caps_str(filter.harness(), "video/x-raw,format=BGRA,width=8,height=12,framerate=10/1");
  ASSERT_EQ(filter.ready(), 1U);
  EXPECT_EQ(filter.pull().bytes, painted(drawing(2), {.prompt = "green tree"}));
}

/// The pixels of an RGBA picture in another order: the place of R, G, B and A among `size` bytes, −1 for none.
Bytes ordered(const Bytes& rgba, std::size_t size, std::array<int, 4> places) {
  Bytes out(rgba.size() / 4 * size, 255);
  for (std::size_t i = 0; i < rgba.size(); ++i) {
    if (places[i % 4] >= 0) out[i / 4 * size + static_cast<std::size_t>(places[i % 4])] = rgba[i];
  }
  return out;
}

TEST(DitFilterFormats, ComeInAsTheyAre) {
  Bytes solid = drawing(1);
  for (std::size_t i = 3; i < solid.size(); i += 4) solid[i] = 255;
  const Bytes clear = drawing(1);
  const std::vector<std::tuple<std::string, std::size_t, std::array<int, 4>, bool>> formats = {
      {"RGBA", 4, {0, 1, 2, 3}, true},  {"BGRA", 4, {2, 1, 0, 3}, true},   {"ARGB", 4, {1, 2, 3, 0}, true},
      {"ABGR", 4, {3, 2, 1, 0}, true},  {"RGBx", 4, {0, 1, 2, -1}, false}, {"BGRx", 4, {2, 1, 0, -1}, false},
      {"RGB", 3, {0, 1, 2, -1}, false}, {"BGR", 3, {2, 1, 0, -1}, false}};
  for (const auto& [format, size, places, alpha] : formats) {
    SCOPED_TRACE(format);
    FilterHarness filter(fox, "video/x-raw,framerate=10/1,width=8,height=12,format=" + format);
    const Bytes& sketch = alpha ? clear : solid;
    ASSERT_EQ(filter.push(ordered(sketch, size, places), 0), GST_FLOW_OK);
    EXPECT_EQ(filter.pull().bytes, painted(sketch, {}));
  }
}

TEST(DitFilterFormats, GrayIsTheSameInEveryColour) {
  Bytes gray, sketch;
  for (int i = 0; i < tiny_width * tiny_height; ++i) {
    const auto value = static_cast<std::uint8_t>(2 * i);
    gray.push_back(value);
    sketch.insert(sketch.end(), {value, value, value, 255});
  }
  FilterHarness filter(fox, "video/x-raw,framerate=10/1,width=8,height=12,format=GRAY8");
  ASSERT_EQ(filter.push(gray, 0), GST_FLOW_OK);
  EXPECT_EQ(filter.pull().bytes, painted(sketch, {}));
}

TEST(DitFilterFormats, AlphaIsPreferredGoingOut) {
  FilterHarness filter(fox, "video/x-raw,framerate=10/1,width=8,height=12,format=RGB", "video/x-raw");
  const GstVideoInfo info = info_of(filter.harness()->sinkpad);
  EXPECT_EQ(GST_VIDEO_INFO_FORMAT(&info), GST_VIDEO_FORMAT_RGBA);
}

TEST(DitFilterFormats, WithoutAlphaLieOverTheBackground) {
  FilterHarness filter(with({{"background", "0x102030"}}), "video/x-raw,format=RGBA,width=8,height=12,framerate=10/1",
                       "video/x-raw,format=RGB");
  ASSERT_EQ(filter.push(drawing(0), 0), GST_FLOW_OK);
  const Bytes icon = painted(drawing(0), {});
  const Bytes found = filter.pull().bytes;
  const std::array<double, 3> under = {0x10, 0x20, 0x30};
  ASSERT_EQ(found.size(), icon.size() / 4 * 3);
  for (std::size_t p = 0; p < icon.size() / 4; ++p) {
    const double alpha = icon[4 * p + 3] / 255.0;
    for (std::size_t c = 0; c < 3; ++c) {
      EXPECT_NEAR(found[3 * p + c], icon[4 * p + c] * alpha + under[c] * (1 - alpha), 0.51) << p;
    }
  }
}

TEST(DitFilterSizes, LargerFramesAreAveraged) {
  // Squares of two by two with the sketch's pixel in one place and clear ones elsewhere have its colour.
  const Bytes sketch = drawing(2);
  Bytes large(sketch.size() * 4);
  Bytes small = sketch;
  for (std::size_t y = 0; y < 24; ++y) {
    for (std::size_t x = 0; x < 16; ++x) {
      for (std::size_t c = 0; c < 4; ++c) {
        const std::uint8_t value = sketch[(y / 2 * 8 + x / 2) * 4 + c];
        large[(y * 16 + x) * 4 + c] = (x + y) % 2 == 0 || c < 3 ? value : 0;
      }
    }
  }
  for (std::size_t i = 0; i < small.size(); ++i) {
    const unsigned alpha = sketch[i | 3];
    small[i] = static_cast<std::uint8_t>(i % 4 == 3 ? (2 * alpha + 2) / 4 : alpha > 0 ? sketch[i] : 0);
  }
  FilterHarness filter(fox, "video/x-raw,format=RGBA,width=16,height=24,framerate=10/1");
  ASSERT_EQ(filter.push(large, 0), GST_FLOW_OK);
  const Bytes icon = painted(small, {});
  const Frame frame = filter.pull();
  ASSERT_EQ(frame.bytes.size(), large.size()) << "an icon is as large as its frame unless somebody wants it otherwise";
  for (std::size_t i = 0; i < frame.bytes.size(); ++i) {
    const std::size_t p = i / 4;
    ASSERT_EQ(frame.bytes[i], icon[(p / 16 / 2 * 8 + p % 16 / 2) * 4 + i % 4]) << i;
  }
}

TEST(DitFilterSizes, OutputMayHaveAnother) {
  FilterHarness filter(fox, "video/x-raw,format=RGBA,width=8,height=12,framerate=10/1",
                       "video/x-raw,format=RGBA,width=24");
  ASSERT_EQ(filter.push(drawing(0), 0), GST_FLOW_OK);
  EXPECT_EQ(filter.pull().bytes.size(), 24U * 36 * 4);
}

}  // namespace
}  // namespace dit::plugin_test
