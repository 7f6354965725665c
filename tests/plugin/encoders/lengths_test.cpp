// SPDX-License-Identifier: MIT
// How long a frame lasts in a file: until the next one comes or longer, in running time, and never past what 64 bits
// count. And what is said when something cannot be: one error.
#include <gst/check/gstharness.h>
#include <gtest/gtest.h>

#include <map>
#include <string>

#include <algorithm>
#include <string>
#include <vector>

#include "tests/plugin/support/source.h"

namespace dit::plugin_test {
namespace {

constexpr GstClockTime ms = GST_MSECOND;

/// One transparent pixel.
const std::vector<std::uint8_t> tiny_png = {
    0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a, 0x00, 0x00, 0x00, 0x0d, 0x49, 0x48, 0x44, 0x52, 0x00,
    0x00, 0x00, 0x01, 0x00, 0x00, 0x00, 0x01, 0x08, 0x06, 0x00, 0x00, 0x00, 0x1f, 0x15, 0xc4, 0x89, 0x00,
    0x00, 0x00, 0x0b, 0x49, 0x44, 0x41, 0x54, 0x78, 0xda, 0x63, 0x60, 0x00, 0x02, 0x00, 0x00, 0x05, 0x00,
    0x01, 0xe9, 0xfa, 0xdc, 0xd8, 0x00, 0x00, 0x00, 0x00, 0x49, 0x45, 0x4e, 0x44, 0xae, 0x42, 0x60, 0x82};

struct Shown {
  GstClockTime pts, duration;
};

const std::vector<std::string> animations = {"ditgifenc", "ditwebpenc", "ditapngmux"};

class Writer {
 public:
  explicit Writer(const std::string& name, const char* rate = "10/1") : name_(name) {
    init_gstreamer();
    harness_ = gst_harness_new(name.c_str());
    bus_ = gst_bus_new();
    gst_element_set_bus(harness_->element, bus_);
    const std::string form = name == "ditapngmux" ? "image/png" : "video/x-raw,format=RGBA,width=1,height=1";
    gst_harness_set_src_caps_str(harness_, (form + ",framerate=" + rate).c_str());
  }
  ~Writer() {
    gst_element_set_bus(harness_->element, nullptr);
    gst_object_unref(bus_);
    gst_harness_teardown(harness_);
  }
  Writer(const Writer&) = delete;
  Writer& operator=(const Writer&) = delete;

  /// Every frame has another colour, so that no encoder joins two.
  GstFlowReturn push(const Shown& shown) {
    std::vector<std::uint8_t> bytes = {static_cast<std::uint8_t>(40 * count_++), 0, 0, 255};
    if (name_ == "ditapngmux") bytes = tiny_png;
    GstBuffer* buffer = gst_buffer_new_allocate(nullptr, bytes.size(), nullptr);
    gst_buffer_fill(buffer, 0, bytes.data(), bytes.size());
    GST_BUFFER_PTS(buffer) = shown.pts;
    GST_BUFFER_DURATION(buffer) = shown.duration;
    return gst_harness_push(harness_, buffer);
  }
  /// A buffer that holds no frame.
  GstFlowReturn push_short() { return gst_harness_push(harness_, gst_buffer_new_allocate(nullptr, 1, nullptr)); }
  void segment(double rate, GstClockTime start, GstClockTime stop, GstClockTime base) {
    GstSegment segment;
    gst_segment_init(&segment, GST_FORMAT_TIME);
    segment.rate = rate;
    segment.start = segment.time = start;
    segment.stop = stop;
    segment.base = base;
    gst_harness_push_event(harness_, gst_event_new_segment(&segment));
  }
  void caps(const char* text) {
    GstCaps* other = gst_caps_from_string(text);
    gst_harness_push_event(harness_, gst_event_new_caps(other));
    gst_caps_unref(other);
  }
  bool end() { return gst_harness_push_event(harness_, gst_event_new_eos()) != FALSE; }
  std::vector<Report> reports() { return drain(bus_); }

  /// Of each frame in the file that came out, in ms.
  std::vector<unsigned> lengths() {
    std::string bytes;
    while (GstBuffer* buffer = gst_harness_try_pull(harness_)) {
      GstMapInfo map;
      EXPECT_TRUE(gst_buffer_map(buffer, &map, GST_MAP_READ));
      bytes.append(reinterpret_cast<const char*>(map.data), map.size);
      gst_buffer_unmap(buffer, &map);
      gst_buffer_unref(buffer);
    }
    const std::string mark = name_ == "ditgifenc" ? "\x21\xf9\x04" : name_ == "ditwebpenc" ? "ANMF" : "fcTL";
    const auto byte = [&](std::size_t at) { return static_cast<unsigned>(static_cast<unsigned char>(bytes.at(at))); };
    std::vector<unsigned> result;
    for (std::size_t at = bytes.find(mark); at != std::string::npos; at = bytes.find(mark, at + 4)) {
      if (name_ == "ditgifenc") {
        result.push_back(10 * (byte(at + 4) + 256 * byte(at + 5)));
      } else if (name_ == "ditwebpenc") {  // chunk's size, place and size of the frame, 24 bits of ms
        result.push_back(byte(at + 20) + 256 * byte(at + 21) + 65536 * byte(at + 22));
      } else {  // sequence, size, place, then two numbers of 16 bits
        result.push_back(1000 * (256 * byte(at + 24) + byte(at + 25)) / (256 * byte(at + 26) + byte(at + 27)));
      }
    }
    return result;
  }

 private:
  std::string name_;
  GstHarness* harness_;
  GstBus* bus_;
  int count_ = 0;
};

std::vector<unsigned> lengths(const std::string& encoder, const std::vector<Shown>& frames) {
  Writer writer(encoder);
  for (const Shown& frame : frames) EXPECT_EQ(writer.push(frame), GST_FLOW_OK);
  EXPECT_TRUE(writer.end());
  return writer.lengths();
}

using Lengths = std::vector<unsigned>;

TEST(FrameLengths, ReachToTheNextFrameOrAsFarAsTheySay) {
  constexpr GstClockTime none = GST_CLOCK_TIME_NONE;
  for (const std::string& name : animations) {
    SCOPED_TRACE(name);
    // As from late-policy=skip: 5 s of nothing between two frames of 100 ms.
    EXPECT_EQ(lengths(name, {{0, 100 * ms}, {100 * ms, 100 * ms}, {5000 * ms, 100 * ms}}), (Lengths{100, 4900, 100}));
    // Longer than to the next.
    EXPECT_EQ(lengths(name, {{0, 300 * ms}, {100 * ms, 100 * ms}}), (Lengths{300, 100}));
    // Without a time, or with one that goes back, what they say.
    EXPECT_EQ(lengths(name, {{none, 200 * ms}, {none, 100 * ms}}), (Lengths{200, 100}));
    EXPECT_EQ(lengths(name, {{500 * ms, 200 * ms}, {0, 100 * ms}}), (Lengths{200, 100}));
    // Without a duration, to the next; the last as the one before.
    EXPECT_EQ(lengths(name, {{0, none}, {250 * ms, none}}), (Lengths{250, 250}));
    EXPECT_EQ(lengths(name, {{0, 40 * ms}, {250 * ms, none}}), (Lengths{250, 250}));
  }
}

TEST(FrameLengths, AreOfRunningTime) {
  for (const std::string& name : animations) {
    SCOPED_TRACE(name);
    Writer writer(name);
    writer.segment(1, 0, GST_CLOCK_TIME_NONE, 0);
    EXPECT_EQ(writer.push({0, 100 * ms}), GST_FLOW_OK);
    // A seek without a flush to the hundredth second leaves no gap.
    writer.segment(1, 100 * GST_SECOND, GST_CLOCK_TIME_NONE, 100 * ms);
    EXPECT_EQ(writer.push({100 * GST_SECOND, 100 * ms}), GST_FLOW_OK);
    // Twice as fast, then backwards.
    writer.segment(2, 0, GST_CLOCK_TIME_NONE, 200 * ms);
    EXPECT_EQ(writer.push({0, 400 * ms}), GST_FLOW_OK);
    writer.segment(-1, 0, 400 * ms, 400 * ms);
    EXPECT_EQ(writer.push({300 * ms, 100 * ms}), GST_FLOW_OK);
    EXPECT_EQ(writer.push({100 * ms, 100 * ms}), GST_FLOW_OK);
    EXPECT_TRUE(writer.end());
    EXPECT_EQ(writer.lengths(), (Lengths{100, 100, 200, 200, 100}));
  }
}

TEST(FrameLengths, NearTwoToThe64AreAnErrorAndDoNotWrap) {
  constexpr GstClockTime huge = GST_CLOCK_TIME_NONE - 1;
  for (const std::string& name : animations) {
    SCOPED_TRACE(name);
    const std::vector<std::vector<Shown>> ways = {{{0, huge}, {0, huge}},
                                                  {{GST_SECOND, huge}, {0, huge}},
                                                  {{0, 100 * ms}, {huge, 100 * ms}},
                                                  {{GST_CLOCK_TIME_NONE, huge / 2 + 9}, {GST_CLOCK_TIME_NONE, huge}}};
    for (std::size_t i = 0; i < ways.size(); ++i) {
      SCOPED_TRACE(i);
      Writer writer(name);
      for (const Shown& frame : ways[i]) writer.push(frame);
      writer.end();
      const auto reports = writer.reports();
      ASSERT_EQ(reports.size(), 1U);
      EXPECT_EQ(reports[0].type, GST_MESSAGE_ERROR);
      EXPECT_TRUE(reports[0].text.starts_with("frame ")) << reports[0].text;
    }
  }
}

TEST(FrameLengths, BelowTwentyMillisecondsAreWarnedOfOnce) {
  for (const std::string& name : animations) {
    SCOPED_TRACE(name);
    for (const GstClockTime length : {10 * ms, 20 * ms}) {
      Writer writer(name, "0/1");
      for (unsigned k = 0; k < 3; ++k) EXPECT_EQ(writer.push({k * length, length}), GST_FLOW_OK);
      EXPECT_TRUE(writer.end());
      const auto reports = writer.reports();
      ASSERT_EQ(reports.size(), length < 20 * ms ? 1U : 0U);
      if (reports.empty()) continue;
      EXPECT_EQ(reports[0].type, GST_MESSAGE_WARNING);
      EXPECT_TRUE(reports[0].text.starts_with("frames last less than 20 ms: browsers ")) << reports[0].text;
    }
  }
}

TEST(EncoderErrors, AreOneEach) {
  for (const char* name : {"ditgifenc", "ditwebpenc", "diticomux", "ditsheet"}) {
    SCOPED_TRACE(name);
    Writer writer(name);
    EXPECT_EQ(writer.push({0, 100 * ms}), GST_FLOW_OK);
    EXPECT_EQ(writer.push_short(), GST_FLOW_ERROR);
    // What a source does then: it ends the stream. And what it may do besides.
    EXPECT_EQ(writer.push({200 * ms, 100 * ms}), GST_FLOW_ERROR);
    EXPECT_FALSE(writer.end());
    EXPECT_EQ(writer.reports().size(), 1U);
  }
}

TEST(EncoderErrors, MultiviewIsOne) {
  for (const char* name : {"ditgifenc", "ditwebpenc", "diticomux", "ditsheet"}) {
    SCOPED_TRACE(name);
    Writer writer(name);
    writer.caps("video/x-raw,format=RGBA,width=1,height=1,framerate=10/1,multiview-mode=frame-by-frame");
    const auto reports = writer.reports();
    ASSERT_EQ(reports.size(), 1U);
    EXPECT_EQ(reports[0].text, "multiview-mode: expected mono, left or right, found frame-by-frame");
  }
}

TEST(EncoderErrors, PixelsThatAreNotSquareAndHalvesOfPicturesAreOne) {
  for (const char* name : {"ditgifenc", "ditwebpenc", "diticomux", "ditsheet"}) {
    SCOPED_TRACE(name);
    for (const auto& [caps, text] : std::map<std::string, std::string>{
             {"pixel-aspect-ratio=4/3", "pixel-aspect-ratio: expected 1/1, as after videoscale, found 4/3"},
             {"interlace-mode=fields",
              "interlace-mode: expected whole pictures, as after deinterlace, found fields"}}) {
      Writer writer(name);
      writer.caps(("video/x-raw,format=RGBA,width=1,height=1,framerate=10/1," + caps).c_str());
      const auto reports = writer.reports();
      ASSERT_EQ(reports.size(), 1U) << caps;
      EXPECT_EQ(reports[0].text, text);
    }
    Writer writer(name);
    writer.caps("video/x-raw,format=RGBA,width=1,height=1,framerate=10/1,pixel-aspect-ratio=1/1");
    EXPECT_EQ(writer.push({0, 100 * ms}), GST_FLOW_OK);
    EXPECT_TRUE(writer.reports().empty());
  }
}

TEST(EncoderErrors, RawFramesWithoutCapsAreOne) {
  init_gstreamer();
  for (const char* name : {"ditgifenc", "ditwebpenc", "diticomux", "ditsheet"}) {
    SCOPED_TRACE(name);
    auto* encoder = GST_ELEMENT(gst_object_ref_sink(gst_element_factory_make(name, nullptr)));
    GstBus* bus = gst_bus_new();
    gst_element_set_bus(encoder, bus);
    gst_element_set_state(encoder, GST_STATE_PLAYING);
    GstPad* sink = gst_element_get_static_pad(encoder, "sink");
    GstSegment segment;
    gst_segment_init(&segment, GST_FORMAT_TIME);
    gst_pad_send_event(sink, gst_event_new_stream_start("bytes"));
    gst_pad_send_event(sink, gst_event_new_segment(&segment));
    for (const GstClockTime pts : {0 * ms, 100 * ms}) {
      GstBuffer* buffer = gst_buffer_new_allocate(nullptr, 4096, nullptr);
      GST_BUFFER_PTS(buffer) = pts;
      GST_BUFFER_DURATION(buffer) = 100 * ms;
      EXPECT_EQ(gst_pad_chain(sink, gst_buffer_ref(buffer)), GST_FLOW_ERROR);
      EXPECT_EQ(GST_MINI_OBJECT_REFCOUNT_VALUE(buffer), 1) << "a frame that is refused is let go";
      gst_buffer_unref(buffer);
    }
    const auto reports = drain(bus);
    ASSERT_EQ(reports.size(), 1U);
    EXPECT_EQ(reports[0].text, "expected caps before the first frame, found none");
    gst_element_set_state(encoder, GST_STATE_NULL);
    gst_element_set_bus(encoder, nullptr);
    gst_object_unref(sink);
    gst_object_unref(bus);
    gst_object_unref(encoder);
  }
}

/// All errors of a pipeline after one of a kind that the encoder finds.
TEST(EncoderErrors, AreNotSaidAgainByTheSource) {
  init_gstreamer();
  GstElement* pipeline = gst_pipeline_new(nullptr);
  GstElement* source = make_element({{"steps", "1"}, {"num-buffers", "3"}});
  GstElement* filter = gst_element_factory_make("capsfilter", nullptr);
  GstElement* encoder = gst_element_factory_make("ditgifenc", nullptr);
  GstElement* sink = gst_element_factory_make("fakesink", nullptr);
  set(filter, {{"caps", "video/x-raw,format=RGBA,framerate=1/100000"}});
  gst_bin_add_many(GST_BIN(pipeline), source, filter, encoder, sink, nullptr);
  EXPECT_TRUE(gst_element_link_many(source, filter, encoder, sink, nullptr));
  gst_element_set_state(pipeline, GST_STATE_PLAYING);
  GstBus* bus = GST_ELEMENT_BUS(pipeline);
  GstMessage* first = gst_bus_timed_pop_filtered(bus, 20 * GST_SECOND, GST_MESSAGE_ERROR);
  ASSERT_NE(first, nullptr);
  EXPECT_EQ(GST_MESSAGE_SRC(first), GST_OBJECT(encoder));
  gst_message_unref(first);
  // When the source has stopped, all has been said.
  GstPad* pad = gst_element_get_static_pad(source, "src");
  while (gst_pad_get_task_state(pad) == GST_TASK_STARTED) g_usleep(1000);
  gst_object_unref(pad);
  EXPECT_TRUE(drain(bus).empty());
  gst_element_set_state(pipeline, GST_STATE_NULL);
  gst_object_unref(pipeline);
}

/// All errors of a pipeline that fails, once the streaming thread of its first element has stopped.
std::vector<Report> errors_of(const char* line) {
  init_gstreamer();
  g_setenv("DIT_MODEL", tiny_model().c_str(), TRUE);
  GError* error = nullptr;
  GstElement* pipeline = gst_parse_launch(line, &error);
  EXPECT_EQ(error, nullptr);
  gst_element_set_state(pipeline, GST_STATE_PLAYING);
  GstBus* bus = GST_ELEMENT_BUS(pipeline);
  GstMessage* last = nullptr;
  std::vector<Report> errors;
  while ((last = gst_bus_timed_pop_filtered(bus, (errors.empty() ? 20000 : 500) * GST_MSECOND, GST_MESSAGE_ERROR))) {
    GError* found = nullptr;
    gst_message_parse_error(last, &found, nullptr);
    errors.push_back({.type = GST_MESSAGE_ERROR, .domain = found->domain, .code = found->code, .text = found->message});
    g_error_free(found);
    gst_message_unref(last);
  }
  gst_element_set_state(pipeline, GST_STATE_NULL);
  gst_object_unref(pipeline);
  g_unsetenv("DIT_MODEL");
  return errors;
}

TEST(EncoderErrors, AreNotSaidOfAStreamThatNeverBegan) {
  const auto errors = errors_of(
      "ditsrc device=cpu steps=1 num-buffers=3 ! video/x-raw,format=RGBA,width=1,height=1 ! ditgifenc ! fakesink");
  ASSERT_EQ(errors.size(), 1U);
  EXPECT_NE(errors[0].text.find("no common format"), std::string::npos) << errors[0].text;
}

TEST(EncoderErrors, SayARateThatWasGiven) {
  for (const std::string& name : animations) {
    SCOPED_TRACE(name);
    Writer writer(name, "2147483647/1");
    EXPECT_EQ(writer.push({GST_CLOCK_TIME_NONE, GST_CLOCK_TIME_NONE}), GST_FLOW_OK);
    EXPECT_EQ(writer.push({GST_CLOCK_TIME_NONE, GST_CLOCK_TIME_NONE}), GST_FLOW_ERROR);
    const auto reports = writer.reports();
    ASSERT_EQ(reports.size(), 1U);
    EXPECT_NE(reports[0].text.find("found a frame rate of 2147483647/1"), std::string::npos) << reports[0].text;
  }
}

TEST(DitFilterCaps, OfNoSizeThatFitsAreExplainedWhereTheyNeverCame) {
  const auto errors = errors_of(
      "videotestsrc num-buffers=2 ! video/x-raw,width=321,height=241,format=RGB ! ditfilter device=cpu ! fakesink");
  ASSERT_FALSE(errors.empty());
  EXPECT_NE(errors.back().text.find("expected frames of 8x12"), std::string::npos) << errors.back().text;
}

}  // namespace
}  // namespace dit::plugin_test
