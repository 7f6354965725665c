// SPDX-License-Identifier: MIT
// Formats, sizes, rates and timestamps.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "tests/plugin/support/source.h"

namespace dit::plugin_test {
namespace {

using Bytes = std::vector<std::uint8_t>;

std::string caps_of(const std::string& format, const std::string& rate = "10/1") {
  return "video/x-raw,format=" + format + ",framerate=" + rate;
}

/// Where a format keeps its bytes, written down here and not taken from GStreamer. 'x' is padding.
const std::map<std::string, std::string>& layouts() {
  static const std::map<std::string, std::string> all = {{"RGBA", "rgba"}, {"RGBx", "rgbx"}, {"BGRA", "bgra"},
                                                         {"BGRx", "bgrx"}, {"ARGB", "argb"}, {"ABGR", "abgr"},
                                                         {"RGB", "rgb"},   {"BGR", "bgr"}};
  return all;
}

/// One colour of the picture over the background, in exact arithmetic.
double over(double colour, double background, double alpha) {
  return colour * alpha / 255 + background * (1 - alpha / 255);
}

Bytes expected(const Bytes& rgba, const std::string& layout, const std::uint8_t (&background)[3]) {
  const bool alpha = layout.find('a') != std::string::npos;
  Bytes out;
  for (std::size_t i = 0; i < rgba.size(); i += 4) {
    for (const char byte : layout) {
      if (byte == 'x') {
        out.push_back(255);
      } else if (byte == 'a') {
        out.push_back(rgba[i + 3]);
      } else {
        const std::size_t c = std::string("rgb").find(byte);
        const double value = alpha ? rgba[i + c] : over(rgba[i + c], background[c], rgba[i + 3]);
        out.push_back(static_cast<std::uint8_t>(std::lround(value)));
      }
    }
  }
  return out;
}

// emit=steps shows noise, whose alpha takes every value; finished icons are mostly opaque or clear.
const Properties noisy = {{"prompt", "red fox"}, {"seed", "7"}, {"emit", "steps"}, {"background", "0x00204080"}};
constexpr std::uint8_t under[3] = {0x20, 0x40, 0x80};

TEST(DitSrcCaps, EveryColourFormatHasItsBytesInPlace) {
  const auto rgba = pictures(noisy, 5, caps_of("RGBA"));
  std::vector<int> alphas(256);
  for (const Bytes& picture : rgba) {
    for (std::size_t i = 3; i < picture.size(); i += 4) ++alphas[picture[i]];
  }
  EXPECT_GT(256 - std::count(alphas.begin(), alphas.end(), 0), 40) << "alpha varies too little to test blending";
  for (const auto& [format, layout] : layouts()) {
    SCOPED_TRACE(format);
    const auto frames = pictures(noisy, 5, caps_of(format));
    for (std::size_t i = 0; i < frames.size(); ++i) EXPECT_EQ(frames[i], expected(rgba[i], layout, under)) << i;
  }
}

TEST(DitSrcCaps, GrayIsTheLumaOfTheComposite) {
  const auto rgb = pictures(noisy, 5, caps_of("RGB"));
  const auto gray = pictures(noisy, 5, caps_of("GRAY8"));
  for (std::size_t i = 0; i < gray.size(); ++i) {
    ASSERT_EQ(gray[i].size() * 3, rgb[i].size());
    for (std::size_t p = 0; p < gray[i].size(); ++p) {
      const double luma = 0.2126 * rgb[i][3 * p] + 0.7152 * rgb[i][3 * p + 1] + 0.0722 * rgb[i][3 * p + 2];
      // The nearest integer; a luma of k + 0.5 may go either way.
      ASSERT_LE(std::abs(gray[i][p] - luma), 0.5 + 1e-9) << "frame " << i << " pixel " << p;
    }
  }
}

TEST(DitSrcCaps, BackgroundIsWhiteUnlessSet) {
  const Properties plain = {{"prompt", "red fox"}, {"seed", "7"}};
  const std::uint8_t white[3] = {255, 255, 255};
  EXPECT_EQ(pictures(plain, 1, caps_of("RGB"))[0], expected(pictures(plain, 1)[0], "rgb", white));
}

TEST(DitSrcCaps, CapsSayWhatThePixelsAre) {
  for (const std::string format : {"RGBA", "BGR", "GRAY8"}) {
    SCOPED_TRACE(format);
    Source source(Properties{{"num-buffers", "1"}}, caps_of(format));
    source.play();
    source.pull();
    const GstVideoInfo info = source.info();
    EXPECT_EQ(info.width, 8);
    EXPECT_EQ(info.height, 12);
    EXPECT_EQ(info.par_n, info.par_d);
    EXPECT_EQ(info.interlace_mode, GST_VIDEO_INTERLACE_MODE_PROGRESSIVE);
    EXPECT_EQ(info.colorimetry.range, GST_VIDEO_COLOR_RANGE_0_255);
    EXPECT_EQ(info.colorimetry.transfer, GST_VIDEO_TRANSFER_SRGB);
    EXPECT_EQ(info.colorimetry.primaries, GST_VIDEO_COLOR_PRIMARIES_BT709);
    EXPECT_EQ(info.colorimetry.matrix, format == "GRAY8" ? GST_VIDEO_COLOR_MATRIX_BT709 : GST_VIDEO_COLOR_MATRIX_RGB);
  }
}

TEST(DitSrcCaps, RgbaAndTenFramesASecondIfNobodyChooses) {
  Source source(Properties{{"num-buffers", "1"}}, "video/x-raw");
  source.play();
  source.pull();
  const GstVideoInfo info = source.info();
  EXPECT_EQ(GST_VIDEO_INFO_FORMAT(&info), GST_VIDEO_FORMAT_RGBA);
  EXPECT_EQ(info.fps_n, 10);
  EXPECT_EQ(info.fps_d, 1);
}

TEST(DitSrcCaps, SizeIsOpenUntilTheModelIsAndTheModelsAfter) {
  GstElement* element = make_element({});
  GstPad* pad = gst_element_get_static_pad(element, "src");
  const auto width_is_fixed = [&] {
    GstCaps* caps = gst_pad_query_caps(pad, nullptr);
    bool all = gst_caps_get_size(caps) == 2;
    for (guint i = 0; i < gst_caps_get_size(caps); ++i) {
      // 8, 16, … in steps of 8.
      const GValue* widths = gst_structure_get_value(gst_caps_get_structure(caps, i), "width");
      all = all && GST_VALUE_HOLDS_INT_RANGE(widths) && gst_value_get_int_range_min(widths) == 8 &&
            gst_value_get_int_range_step(widths) == 8;
    }
    gst_caps_unref(caps);
    return all;
  };
  EXPECT_FALSE(width_is_fixed());
  EXPECT_NE(gst_element_set_state(element, GST_STATE_PAUSED), GST_STATE_CHANGE_FAILURE);
  EXPECT_TRUE(width_is_fixed());
  gst_element_set_state(element, GST_STATE_NULL);
  EXPECT_FALSE(width_is_fixed());
  gst_object_unref(pad);
  gst_object_unref(element);
}

/// Every pixel of `bytes` bytes repeated factor × factor times.
Bytes enlarged(const Bytes& picture, std::size_t width, std::size_t bytes, std::size_t factor) {
  Bytes out;
  const std::size_t row = width * bytes;
  for (std::size_t y = 0; y < picture.size() / row * factor; ++y) {
    for (std::size_t x = 0; x < width * factor; ++x) {
      const auto* pixel = &picture[y / factor * row + x / factor * bytes];
      out.insert(out.end(), pixel, pixel + bytes);
    }
  }
  return out;
}

TEST(DitSrcCaps, MultiplesOfTheModelsSizeRepeatItsPixels) {
  for (const auto& [format, bytes] : {std::pair{"RGBA", 4U}, {"RGB", 3U}, {"GRAY8", 1U}}) {
    SCOPED_TRACE(format);
    const auto native = pictures(noisy, 3, caps_of(format));
    for (const std::size_t factor : {2U, 3U, 7U}) {
      // Either side is enough: the other follows.
      const std::string side = factor == 3 ? ",height=36" : ",width=" + std::to_string(8 * factor);
      const auto large = pictures(noisy, 3, caps_of(format) + side);
      for (std::size_t i = 0; i < native.size(); ++i) EXPECT_EQ(large[i], enlarged(native[i], 8, bytes, factor));
    }
  }
}

TEST(DitSrcCaps, RangesTakeTheSmallestMultiple) {
  for (const auto& [range, width] : {std::pair{"width=[1,1000]", 8},
                                     {"width=[9,1000]", 16},
                                     {"height=[40,80]", 32},
                                     {"width=[17,100],height={24,48,60}", 32}}) {
    SCOPED_TRACE(range);
    Source source(Properties{{"num-buffers", "1"}}, caps_of("RGBA") + "," + range);
    source.play();
    source.pull();
    EXPECT_EQ(source.info().width, width);
    EXPECT_EQ(source.info().height, width / 8 * 12);
  }
}

TEST(DitSrcCaps, SizeAndFormatMayChangeWhilePlaying) {
  Source source(Properties{{"num-buffers", "30"}, {"steps", "1"}}, caps_of("RGBA"));
  GstPad* pad = gst_element_get_static_pad(source.element(), "src");
  gst_pad_add_probe(
      pad, GST_PAD_PROBE_TYPE_BUFFER,
      [](GstPad* probed, GstPadProbeInfo* info, gpointer data) {
        auto* harness = static_cast<GstHarness*>(data);
        GstBuffer* buffer = GST_PAD_PROBE_INFO_BUFFER(info);
        GstCaps* caps = gst_pad_get_current_caps(probed);
        GstVideoInfo video;
        EXPECT_TRUE(gst_video_info_from_caps(&video, caps));
        gst_caps_unref(caps);
        EXPECT_EQ(gst_buffer_get_size(buffer), video.size);
        const std::uint64_t n = GST_BUFFER_OFFSET(buffer);
        EXPECT_EQ(GST_VIDEO_INFO_WIDTH(&video), n <= 10 ? 8 : n <= 20 ? 24 : 16) << n;
        const char* next = n == 10   ? "video/x-raw,format=BGR,width=24"
                           : n == 20 ? "video/x-raw,format=GRAY8,width=16"
                                     : nullptr;
        if (next == nullptr) return GST_PAD_PROBE_OK;
        gst_harness_set_sink_caps_str(harness, (std::string(next) + ",framerate=10/1").c_str());
        gst_pad_push_event(harness->sinkpad, gst_event_new_reconfigure());
        return GST_PAD_PROBE_OK;
      },
      source.harness(), nullptr);
  gst_object_unref(pad);
  source.play();
  for (int n = 0; n < 30; ++n) {
    GstBuffer* buffer = gst_harness_pull(source.harness());
    ASSERT_NE(buffer, nullptr);
    EXPECT_EQ(GST_BUFFER_PTS(buffer), static_cast<GstClockTime>(n) * GST_SECOND / 10);
    gst_buffer_unref(buffer);
  }
  EXPECT_TRUE(source.ends());
  EXPECT_TRUE(drain(source.bus()).empty());
}

TEST(DitSrcCaps, WrongCapsAreOneErrorAtOnce) {
  for (const std::string caps :
       {"video/x-raw,format=RGBA,width=33", "video/x-raw,format=RGBA,width=16,height=12",
        "video/x-raw,format=RGBA,width=8,height=24", "video/x-raw,format=I420",
        "video/x-raw,format=RGBA,pixel-aspect-ratio=2/1", "video/x-raw,format=RGBA,interlace-mode=interleaved"}) {
    SCOPED_TRACE(caps);
    Source source(Properties{{"num-buffers", "1"}}, caps);
    source.play();
    EXPECT_TRUE(source.ends());
    const auto reports = drain(source.bus());
    ASSERT_EQ(reports.size(), 1U);
    EXPECT_EQ(reports[0].type, GST_MESSAGE_ERROR);
    EXPECT_EQ(reports[0].domain, GST_CORE_ERROR);
    EXPECT_EQ(reports[0].code, GST_CORE_ERROR_NEGOTIATION);
    EXPECT_NE(reports[0].text.find("width=(int)[ 8,"), std::string::npos) << reports[0].text;
  }
}

TEST(DitSrcCaps, MultiviewIsRefused) {
  GstElement* element = make_element({});
  GstPad* pad = gst_element_get_static_pad(element, "src");
  GstCaps* ours = gst_pad_query_caps(pad, nullptr);
  for (const auto& [mode, taken] : std::map<std::string, bool>{{"mono", true},
                                                               {"left", true},
                                                               {"right", true},
                                                               {"frame-by-frame", false},
                                                               {"side-by-side", false},
                                                               {"multiview-frame-by-frame", false},
                                                               {"separated", false}}) {
    GstCaps* wanted = gst_caps_from_string(("video/x-raw,multiview-mode=" + mode).c_str());
    EXPECT_EQ(gst_caps_can_intersect(ours, wanted) != FALSE, taken) << mode;
    gst_caps_unref(wanted);
  }
  gst_caps_unref(ours);
  gst_object_unref(pad);
  gst_object_unref(element);
}

TEST(DitSrcCaps, SidesThatDoNotGoTogetherAreSaid) {
  for (const char* size : {"width=8,height=24", "width=[9,16],height=12"}) {
    Source source({{"steps", "1"}}, std::string("video/x-raw,") + size);
    source.play();
    std::vector<Report> reports;
    for (int i = 0; reports.empty() && i < 4000; ++i) {
      reports = drain(source.bus());
      g_usleep(5000);
    }
    ASSERT_EQ(reports.size(), 1U) << size;
    EXPECT_EQ(reports[0].text.find(
                  "no common size: expected 8x12, or both sides the same number of times that, in video/x-raw"),
              0U)
        << reports[0].text;
  }
}

TEST(DitSrcTime, PtsAreOnTheGridOfTheRate) {
  constexpr int count = 400;
  Source source(Properties{{"num-buffers", std::to_string(count)}, {"steps", "1"}}, caps_of("RGBA", "30000/1001"));
  source.play();
  GstClockTime end = 0;
  for (std::uint64_t n = 0; n < count; ++n) {
    const Frame frame = source.pull();
    // Rounded down once from the exact value: n · 1001/30000 s.
    const GstClockTime pts = n * 1001 * GST_SECOND / 30000;
    ASSERT_EQ(frame.pts, pts) << n;
    ASSERT_EQ(frame.pts, end) << "a gap before frame " << n;
    end = frame.pts + frame.duration;
    ASSERT_EQ(frame.offset, n);
    ASSERT_EQ(frame.offset_end, n + 1);
    ASSERT_EQ(frame.discont, n == 0) << n;
  }
  EXPECT_TRUE(source.ends());
}

TEST(DitSrcTime, RateChangeKeepsTimeGoing) {
  Source source(Properties{{"num-buffers", "60"}, {"steps", "1"}}, caps_of("RGBA", "10/1"));
  // The harness takes all frames that come, so the change is made where frame 20 passes.
  GstPad* pad = gst_element_get_static_pad(source.element(), "src");
  gst_pad_add_probe(
      pad, GST_PAD_PROBE_TYPE_BUFFER,
      [](GstPad*, GstPadProbeInfo* info, gpointer harness) {
        if (GST_BUFFER_OFFSET(GST_PAD_PROBE_INFO_BUFFER(info)) == 20) {
          gst_harness_set_sink_caps_str(static_cast<GstHarness*>(harness), caps_of("RGBA", "25/1").c_str());
          gst_pad_push_event(static_cast<GstHarness*>(harness)->sinkpad, gst_event_new_reconfigure());
        }
        return GST_PAD_PROBE_OK;
      },
      source.harness(), nullptr);
  gst_object_unref(pad);
  source.play();
  const auto frames = source.pull(60);
  EXPECT_EQ(frames[20].pts, 2 * GST_SECOND);
  EXPECT_EQ(frames[21].pts, 21 * GST_SECOND / 10);
  EXPECT_EQ(frames[22].pts, frames[21].pts + GST_SECOND / 25);
  EXPECT_EQ(frames[59].pts, frames[21].pts + 38 * GST_SECOND / 25);
}

TEST(DitSrcTime, AStillIsOneFinishedIconThenEos) {
  for (const std::string emit : {"final", "steps"}) {
    Source source(Properties{{"emit", emit}, {"seed", "3"}, {"batch-size", "4"}}, caps_of("RGBA", "0/1"));
    source.play();
    const Frame frame = source.pull();
    EXPECT_TRUE(source.ends());
    EXPECT_EQ(frame.pts, 0U);
    EXPECT_EQ(frame.duration, GST_CLOCK_TIME_NONE);
    EXPECT_EQ(frame.bytes, pictures({{"seed", "3"}}, 1)[0]);
  }
}

TEST(DitSrcTime, DurationComesFromNumBuffers) {
  Source source(Properties{{"num-buffers", "7"}, {"steps", "1"}}, caps_of("RGBA", "30000/1001"));
  source.play();
  source.pull();
  gint64 duration = -1;
  EXPECT_TRUE(gst_element_query_duration(source.element(), GST_FORMAT_TIME, &duration));
  EXPECT_EQ(duration, 7 * 1001 * static_cast<gint64>(GST_SECOND) / 30000);
  EXPECT_TRUE(gst_element_query_duration(source.element(), GST_FORMAT_DEFAULT, &duration));
  EXPECT_EQ(duration, 7);
}

TEST(DitSrcTime, EndlessHasNoDuration) {
  GstElement* element = make_element({});
  gint64 duration = -1;
  gst_element_set_state(element, GST_STATE_PAUSED);
  EXPECT_FALSE(gst_element_query_duration(element, GST_FORMAT_TIME, &duration) && duration != -1);
  gst_element_set_state(element, GST_STATE_NULL);
  gst_object_unref(element);
}

/// Offers a pool whose rows are longer than the picture's, as a sink with alignment needs does.
GstPadProbeReturn offer_padded_pool(GstPad*, GstPadProbeInfo* probe, gpointer) {
  GstQuery* query = GST_PAD_PROBE_INFO_QUERY(probe);
  if (GST_QUERY_TYPE(query) != GST_QUERY_ALLOCATION) return GST_PAD_PROBE_OK;
  GstCaps* caps = nullptr;
  gst_query_parse_allocation(query, &caps, nullptr);
  GstVideoInfo info;
  EXPECT_TRUE(gst_video_info_from_caps(&info, caps));
  GstVideoAlignment padding;
  gst_video_alignment_reset(&padding);
  padding.padding_right = 11;
  padding.padding_bottom = 3;
  GstBufferPool* pool = gst_video_buffer_pool_new();
  GstStructure* config = gst_buffer_pool_get_config(pool);
  gst_buffer_pool_config_set_params(config, caps, static_cast<guint>(info.size), 2, 0);
  gst_buffer_pool_config_add_option(config, GST_BUFFER_POOL_OPTION_VIDEO_META);
  gst_buffer_pool_config_add_option(config, GST_BUFFER_POOL_OPTION_VIDEO_ALIGNMENT);
  gst_buffer_pool_config_set_video_alignment(config, &padding);
  EXPECT_TRUE(gst_buffer_pool_set_config(pool, config));
  gst_query_add_allocation_pool(query, pool, static_cast<guint>(info.size), 2, 0);
  gst_query_add_allocation_meta(query, GST_VIDEO_META_API_TYPE, nullptr);
  gst_object_unref(pool);
  return GST_PAD_PROBE_HANDLED;
}

TEST(DitSrcAllocation, DownstreamPoolsAndStridesAreRespected) {
  for (const std::string format : {"RGBA", "RGB", "GRAY8"}) {
    SCOPED_TRACE(format);
    Source source(Properties{{"num-buffers", "4"}, {"seed", "5"}}, caps_of(format));
    gst_pad_add_probe(source.harness()->sinkpad, GST_PAD_PROBE_TYPE_QUERY_DOWNSTREAM, offer_padded_pool, nullptr,
                      nullptr);
    source.play();
    const auto plain = pictures({{"seed", "5"}}, 4, caps_of(format));
    for (std::size_t i = 0; i < plain.size(); ++i) {
      const Frame frame = source.pull();
      EXPECT_GT(frame.stride, plain[i].size() / 12) << "the pool was not used";
      EXPECT_EQ(frame.bytes, plain[i]);
    }
  }
}

}  // namespace
}  // namespace dit::plugin_test
