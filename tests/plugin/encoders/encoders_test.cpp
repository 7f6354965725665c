// SPDX-License-Identifier: MIT
// The encoders as elements: events in order, flushes, state cycles, padded rows. What their files look like to other
// programs is checked by tests/scripts/encoders_test.py.
#include <gst/check/gstharness.h>
#include <gst/video/video.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <span>
#include <tuple>

#include "tests/plugin/support/source.h"

namespace dit::plugin_test {
namespace {

constexpr int width = 5, height = 3;

/// An encoder between two pads of the test.
class Bench {
 public:
  explicit Bench(const std::string& name, const Properties& properties = {}) {
    init_gstreamer();
    harness_ = gst_harness_new(name.c_str());
    bus_ = gst_bus_new();
    gst_element_set_bus(harness_->element, bus_);
    set(harness_->element, properties);
    gst_harness_set_src_caps_str(harness_, "video/x-raw,format=RGBA,width=5,height=3,framerate=10/1");
  }
  ~Bench() {
    gst_element_set_bus(harness_->element, nullptr);
    gst_object_unref(bus_);
    gst_harness_teardown(harness_);
  }
  Bench(const Bench&) = delete;
  Bench& operator=(const Bench&) = delete;

  GstHarness* harness() const { return harness_; }

  GstFlowReturn push(int number, std::size_t padding = 0) {
    const std::size_t stride = width * 4 + padding;
    GstBuffer* buffer = gst_buffer_new_allocate(nullptr, stride * height, nullptr);
    GstMapInfo map;
    EXPECT_TRUE(gst_buffer_map(buffer, &map, GST_MAP_WRITE));
    std::fill(map.data, map.data + map.size, 99);
    for (std::size_t y = 0; y < height; ++y) {
      for (std::size_t x = 0; x < width * 4; ++x) map.data[y * stride + x] = pixel(number, y * width * 4 + x);
    }
    gst_buffer_unmap(buffer, &map);
    if (padding > 0) {
      gsize offsets[GST_VIDEO_MAX_PLANES] = {};
      gint strides[GST_VIDEO_MAX_PLANES] = {static_cast<gint>(stride)};
      gst_buffer_add_video_meta_full(buffer, GST_VIDEO_FRAME_FLAG_NONE, GST_VIDEO_FORMAT_RGBA, width, height, 1,
                                     offsets, strides);
    }
    GST_BUFFER_PTS(buffer) = static_cast<GstClockTime>(number) * 100 * GST_MSECOND;
    GST_BUFFER_DURATION(buffer) = 100 * GST_MSECOND;
    return gst_harness_push(harness_, buffer);
  }

  /// Opaque, so that no encoder has a reason to change a colour.
  static std::uint8_t pixel(int number, std::size_t at) {
    return at % 4 == 3 ? 255 : static_cast<std::uint8_t>(number * 50 + static_cast<int>(at / 8) * 20);
  }

  bool end() { return gst_harness_push_event(harness_, gst_event_new_eos()) != FALSE; }

  /// All bytes that came out.
  std::string file() {
    std::string bytes;
    while (GstBuffer* buffer = gst_harness_try_pull(harness_)) {
      GstMapInfo map;
      EXPECT_TRUE(gst_buffer_map(buffer, &map, GST_MAP_READ));
      bytes.append(reinterpret_cast<const char*>(map.data), map.size);
      gst_buffer_unmap(buffer, &map);
      gst_buffer_unref(buffer);
    }
    return bytes;
  }

  std::vector<GstEventType> events() {
    std::vector<GstEventType> types;
    while (GstEvent* event = gst_harness_try_pull_event(harness_)) {
      types.push_back(GST_EVENT_TYPE(event));
      gst_event_unref(event);
    }
    return types;
  }

  std::vector<Report> reports() { return drain(bus_); }

 private:
  GstHarness* harness_;
  GstBus* bus_;
};

const std::vector<std::string> encoders = {"ditwebpenc", "ditgifenc", "diticomux", "ditsheet"};

std::string whole_file(Bench& bench) {
  for (int k = 0; k < 3; ++k) EXPECT_EQ(bench.push(k), GST_FLOW_OK);
  EXPECT_TRUE(bench.end());
  return bench.file();
}

TEST(Encoders, EventsComeInOrderAndOnce) {
  for (const std::string& name : encoders) {
    SCOPED_TRACE(name);
    Bench bench(name);
    gst_harness_push_event(bench.harness(), gst_event_new_tag(gst_tag_list_new(GST_TAG_TITLE, "x", nullptr)));
    EXPECT_FALSE(whole_file(bench).empty());
    EXPECT_EQ(bench.events(), (std::vector<GstEventType>{GST_EVENT_STREAM_START, GST_EVENT_CAPS, GST_EVENT_SEGMENT,
                                                         GST_EVENT_TAG, GST_EVENT_EOS}));
    EXPECT_TRUE(bench.reports().empty());
  }
}

TEST(Encoders, AFlushForgetsTheFileThatWasBegun) {
  for (const std::string& name : encoders) {
    SCOPED_TRACE(name);
    Bench straight(name);
    const std::string wanted = whole_file(straight);
    Bench bench(name);
    EXPECT_EQ(bench.push(2), GST_FLOW_OK);
    EXPECT_EQ(bench.push(1), GST_FLOW_OK);
    gst_harness_push_event(bench.harness(), gst_event_new_flush_start());
    gst_harness_push_event(bench.harness(), gst_event_new_flush_stop(TRUE));
    GstSegment segment;
    gst_segment_init(&segment, GST_FORMAT_TIME);
    gst_harness_push_event(bench.harness(), gst_event_new_segment(&segment));
    bench.file();
    EXPECT_EQ(whole_file(bench), wanted);
  }
}

TEST(Encoders, AStateCycleForgetsTheFileThatWasBegun) {
  for (const std::string& name : encoders) {
    SCOPED_TRACE(name);
    Bench straight(name);
    const std::string wanted = whole_file(straight);
    Bench bench(name);
    for (int cycle = 0; cycle < 3; ++cycle) {
      EXPECT_EQ(bench.push(2), GST_FLOW_OK);
      gst_element_set_state(bench.harness()->element, GST_STATE_NULL);
      gst_element_set_state(bench.harness()->element, GST_STATE_PLAYING);
      gst_harness_push_event(bench.harness(), gst_event_new_stream_start("again"));
      gst_harness_set_src_caps_str(bench.harness(), "video/x-raw,format=RGBA,width=5,height=3,framerate=10/1");
      bench.file();
    }
    EXPECT_EQ(whole_file(bench), wanted);
  }
}

TEST(Encoders, AnUnfinishedFileLeavesNothingBehind) {
  for (const std::string& name : encoders) {
    Bench bench(name);
    for (int k = 0; k < 3; ++k) EXPECT_EQ(bench.push(k), GST_FLOW_OK);
  }
}

TEST(Encoders, RowsMayBePadded) {
  for (const std::string& name : encoders) {
    SCOPED_TRACE(name);
    Bench straight(name), padded(name);
    EXPECT_EQ(straight.push(1), GST_FLOW_OK);
    EXPECT_EQ(padded.push(1, 12), GST_FLOW_OK);
    EXPECT_TRUE(straight.end() && padded.end());
    EXPECT_EQ(padded.file(), straight.file());
  }
}

TEST(Encoders, ASheetHoldsTheFrames) {
  Bench bench("ditsheet", {{"columns", "3"}});
  const std::string sheet = whole_file(bench);
  ASSERT_EQ(sheet.size(), 3U * width * height * 4);
  for (std::size_t i = 0; i < sheet.size(); ++i) {
    const std::size_t x = i % (3 * width * 4), y = i / (3 * width * 4);
    const auto number = static_cast<int>(x / (width * 4));
    ASSERT_EQ(static_cast<std::uint8_t>(sheet[i]), Bench::pixel(number, y * width * 4 + x % (width * 4))) << i;
  }
}

TEST(Encoders, ASizeThatChangesIsAnErrorInOneFile) {
  for (const std::string& name : encoders) {
    SCOPED_TRACE(name);
    Bench bench(name);
    EXPECT_EQ(bench.push(0), GST_FLOW_OK);
    GstCaps* caps = gst_caps_from_string("video/x-raw,format=RGBA,width=8,height=3,framerate=10/1");
    gst_harness_push_event(bench.harness(), gst_event_new_caps(caps));
    gst_caps_unref(caps);
    const auto reports = bench.reports();
    if (name == "diticomux") {  // a file a frame
      EXPECT_TRUE(reports.empty());
      continue;
    }
    ASSERT_EQ(reports.size(), 1U);
    EXPECT_EQ(reports[0].text, "frame 1: expected 5x3 like the frames before it, found 8x3");
    EXPECT_EQ(reports[0].code, GST_STREAM_ERROR_ENCODE);
  }
}

TEST(Encoders, NoFrameIsAnErrorAndNoFile) {
  for (const std::string& name : encoders) {
    SCOPED_TRACE(name);
    Bench bench(name);
    EXPECT_FALSE(bench.end());
    EXPECT_EQ(bench.file(), "");
    const auto reports = bench.reports();
    ASSERT_EQ(reports.size(), 1U);
    EXPECT_EQ(reports[0].text, "no frame came before the end of the stream: expected at least one");
  }
}

TEST(Encoders, AFrameThatIsTooShortIsAnError) {
  for (const std::string& name : encoders) {
    SCOPED_TRACE(name);
    Bench bench(name);
    GstBuffer* buffer = gst_buffer_new_allocate(nullptr, 7, nullptr);
    GST_BUFFER_DURATION(buffer) = GST_SECOND;
    EXPECT_EQ(gst_harness_push(bench.harness(), buffer), GST_FLOW_ERROR);
    const auto reports = bench.reports();
    ASSERT_EQ(reports.size(), 1U);
    EXPECT_EQ(reports[0].text, "frame 0: expected 60 bytes, found 7");
  }
}

TEST(Encoders, RowsBeyondTheBufferAreAnError) {
  for (const std::string& name : encoders) {
    SCOPED_TRACE(name);
    // Where the first row begins, how far the next one is, and what all of them need.
    for (const auto& [offset, stride, needed] :
         {std::tuple{gsize{0}, 4096, "8212"}, {gsize{4}, 20, "64"}, {gsize{0}, -20, "18446744073709551615"}}) {
      Bench bench(name);
      GstBuffer* buffer = gst_buffer_new_allocate(nullptr, width * height * 4, nullptr);
      gst_buffer_memset(buffer, 0, 255, width * height * 4);
      gsize offsets[GST_VIDEO_MAX_PLANES] = {offset};
      gint strides[GST_VIDEO_MAX_PLANES] = {stride};
      gst_buffer_add_video_meta_full(buffer, GST_VIDEO_FRAME_FLAG_NONE, GST_VIDEO_FORMAT_RGBA, width, height, 1,
                                     offsets, strides);
      GST_BUFFER_DURATION(buffer) = GST_SECOND;
      EXPECT_EQ(gst_harness_push(bench.harness(), buffer), GST_FLOW_ERROR);
      const auto reports = bench.reports();
      ASSERT_EQ(reports.size(), 1U);
      EXPECT_EQ(reports[0].text,
                std::string("frame 0: expected ") + needed + " bytes for the rows that its meta tells of, found 60");
    }
  }
}

TEST(Encoders, RowsMayGoUpwards) {
  Bench downwards("ditsheet"), upwards("ditsheet");
  EXPECT_EQ(downwards.push(1), GST_FLOW_OK);
  GstBuffer* buffer = gst_buffer_new_allocate(nullptr, width * height * 4, nullptr);
  for (int y = 0; y < height; ++y) {
    for (std::size_t x = 0; x < width * 4; ++x) {
      const std::uint8_t value = Bench::pixel(1, static_cast<std::size_t>(y) * width * 4 + x);
      gst_buffer_fill(buffer, static_cast<std::size_t>(height - 1 - y) * width * 4 + x, &value, 1);
    }
  }
  gsize offsets[GST_VIDEO_MAX_PLANES] = {static_cast<gsize>((height - 1) * width * 4)};
  gint strides[GST_VIDEO_MAX_PLANES] = {-width * 4};
  gst_buffer_add_video_meta_full(buffer, GST_VIDEO_FRAME_FLAG_NONE, GST_VIDEO_FORMAT_RGBA, width, height, 1, offsets,
                                 strides);
  GST_BUFFER_PTS(buffer) = 100 * GST_MSECOND;
  GST_BUFFER_DURATION(buffer) = 100 * GST_MSECOND;
  EXPECT_EQ(gst_harness_push(upwards.harness(), buffer), GST_FLOW_OK);
  EXPECT_TRUE(downwards.end());
  EXPECT_TRUE(upwards.end());
  EXPECT_EQ(upwards.file(), downwards.file());
}

/// One transparent pixel.
const std::vector<std::uint8_t> tiny_png = {
    0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a, 0x00, 0x00, 0x00, 0x0d, 0x49, 0x48, 0x44, 0x52, 0x00,
    0x00, 0x00, 0x01, 0x00, 0x00, 0x00, 0x01, 0x08, 0x06, 0x00, 0x00, 0x00, 0x1f, 0x15, 0xc4, 0x89, 0x00,
    0x00, 0x00, 0x0b, 0x49, 0x44, 0x41, 0x54, 0x78, 0xda, 0x63, 0x60, 0x00, 0x02, 0x00, 0x00, 0x05, 0x00,
    0x01, 0xe9, 0xfa, 0xdc, 0xd8, 0x00, 0x00, 0x00, 0x00, 0x49, 0x45, 0x4e, 0x44, 0xae, 0x42, 0x60, 0x82};

/// What ditapngmux says of a second frame after a good first one; empty if it takes it.
std::string say_of_second_png(std::span<const std::uint8_t> second) {
  init_gstreamer();
  GstHarness* harness = gst_harness_new("ditapngmux");
  GstBus* bus = gst_bus_new();
  gst_element_set_bus(harness->element, bus);
  gst_harness_set_src_caps_str(harness, "image/png,framerate=10/1");
  for (const auto bytes : {std::span<const std::uint8_t>(tiny_png), second}) {
    GstBuffer* buffer = gst_buffer_new_allocate(nullptr, bytes.size(), nullptr);
    gst_buffer_fill(buffer, 0, bytes.data(), bytes.size());
    GST_BUFFER_DURATION(buffer) = 100 * GST_MSECOND;
    gst_harness_push(harness, buffer);
  }
  const auto reports = drain(bus);
  gst_element_set_bus(harness->element, nullptr);
  gst_object_unref(bus);
  gst_harness_teardown(harness);
  EXPECT_LE(reports.size(), 1U);
  return reports.empty() ? "" : reports[0].text;
}

TEST(Encoders, ADamagedPngIsAnErrorWhereverItIsDamaged) {
  EXPECT_EQ(say_of_second_png(tiny_png), "");
  for (std::size_t size = 0; size < tiny_png.size(); ++size) {
    EXPECT_TRUE(say_of_second_png(std::span(tiny_png).first(size)).starts_with("frame 1: ")) << size;
  }
  for (std::size_t at = 0; at < tiny_png.size(); ++at) {
    for (const int bit : {0, 7}) {
      std::vector<std::uint8_t> damaged = tiny_png;
      damaged[at] = static_cast<std::uint8_t>(damaged[at] ^ 1 << bit);
      EXPECT_TRUE(say_of_second_png(damaged).starts_with("frame 1: ")) << at << " bit " << bit;
    }
  }
}

TEST(Encoders, ABufferHoldsOnePngAndNothingElse) {
  std::vector<std::uint8_t> more = tiny_png;
  more.push_back(0);
  EXPECT_EQ(say_of_second_png(more), "frame 1: expected one PNG file in the buffer, found 1 bytes after its end");
  more.pop_back();
  more.insert(more.end(), tiny_png.begin(), tiny_png.end());
  EXPECT_EQ(say_of_second_png(more), "frame 1: expected one PNG file in the buffer, found 68 bytes after its end");
}

TEST(Encoders, AGifOfThousandsOfFramesTakesNoMemory) {
#ifdef __SANITIZE_ADDRESS__
  GTEST_SKIP() << "AddressSanitizer keeps freed memory";
#endif
  Bench bench("ditgifenc");
  gst_harness_set_drop_buffers(bench.harness(), TRUE);
  for (int k = 0; k < 500; ++k) bench.push(k % 5);
  const std::uint64_t before = resident_bytes();
  for (int k = 0; k < 10000; ++k) bench.push(k % 5);
  // 10,000 files of one frame would be 8 MB.
  EXPECT_LT(resident_bytes(), before + (1U << 20));
  EXPECT_TRUE(bench.end());
}

TEST(Encoders, DownstreamsAnswerGoesBack) {
  // A sink that wants no more, as after its own end.
  Bench bench("ditgifenc");
  gst_pad_set_chain_function(bench.harness()->sinkpad, [](GstPad*, GstObject*, GstBuffer* buffer) {
    gst_buffer_unref(buffer);
    return GST_FLOW_EOS;
  });
  EXPECT_EQ(bench.push(0), GST_FLOW_EOS);
  EXPECT_TRUE(bench.reports().empty());
}

}  // namespace
}  // namespace dit::plugin_test
