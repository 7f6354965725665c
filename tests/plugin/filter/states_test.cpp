// SPDX-License-Identifier: MIT
// A filter through state changes, flushes and all at once; an icon in the making ends within a step.
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdlib>
#include <functional>
#include <iostream>
#include <random>
#include <thread>

#include "tests/plugin/support/filter.h"
#include "tests/plugin/support/process.h"

namespace dit::plugin_test {
namespace {

using Clock = std::chrono::steady_clock;

/// videotestsrc ! capsfilter ! ditfilter ! fakesink
class Line {
 public:
  explicit Line(const Properties& properties, const char* caps = "video/x-raw,format=RGBA,framerate=30/1")
      : pipeline_((init_gstreamer(), gst_pipeline_new(nullptr))),
        source_(gst_element_factory_make("videotestsrc", nullptr)),
        caps_(gst_element_factory_make("capsfilter", nullptr)),
        filter_(make_element(properties, "ditfilter")),
        sink_(gst_element_factory_make("fakesink", nullptr)) {
    set(source_, {{"pattern", "snow"}});
    set(caps_, {{"caps", caps}, {"caps-change-mode", "delayed"}});
    gst_bin_add_many(GST_BIN(pipeline_), source_, caps_, filter_, sink_, nullptr);
    EXPECT_TRUE(gst_element_link_many(source_, caps_, filter_, sink_, nullptr));
    GstPad* pad = gst_element_get_static_pad(sink_, "sink");
    gst_pad_add_probe(
        pad, GST_PAD_PROBE_TYPE_BUFFER,
        [](GstPad* probed, GstPadProbeInfo* info, gpointer self) {
          static_cast<Line*>(self)->arrived(probed, GST_PAD_PROBE_INFO_BUFFER(info));
          return GST_PAD_PROBE_OK;
        },
        this, nullptr);
    gst_object_unref(pad);
  }
  ~Line() {
    EXPECT_EQ(gst_element_set_state(pipeline_, GST_STATE_NULL), GST_STATE_CHANGE_SUCCESS);
    gst_object_unref(pipeline_);
  }
  Line(const Line&) = delete;
  Line& operator=(const Line&) = delete;

  GstElement* pipeline() const { return pipeline_; }
  GstElement* filter() const { return filter_; }
  GstElement* caps() const { return caps_; }
  std::uint64_t frames() const { return frames_; }
  void await(std::uint64_t frames) const {
    for (int wait_ms = 0; frames_ < frames && wait_ms < 20000; ++wait_ms) g_usleep(1000);
    EXPECT_GE(frames_, frames);
  }

 private:
  /// A buffer has the size that its caps say, and a meta that belongs to it.
  void arrived(GstPad* pad, GstBuffer* buffer) {
    ++frames_;
    const GstVideoInfo info = info_of(pad);
    EXPECT_EQ(gst_buffer_get_size(buffer), GST_VIDEO_INFO_SIZE(&info));
    EXPECT_NE(gst_buffer_get_custom_meta(buffer, "GstDitMeta"), nullptr);
  }

  GstElement *pipeline_, *source_, *caps_, *filter_, *sink_;
  std::atomic<std::uint64_t> frames_{0};
};

TEST(DitFilterStates, FiftyCyclesLeaveNothingBehind) {
  Line line(Properties{{"prompt", "red fox"}, {"steps", "2"}, {"batch-size", "2"}});
  std::uint64_t first_bytes = 0;
  std::size_t first_threads = 0, first_files = 0;
  constexpr int warm_up = 10;
  for (int i = 0; i < warm_up + 50; ++i) {
    if (i == warm_up) {
      first_bytes = allocated_bytes();
      first_threads = threads();
      first_files = open_files();
    }
    ASSERT_NE(gst_element_set_state(line.pipeline(), i % 2 == 0 ? GST_STATE_PAUSED : GST_STATE_PLAYING),
              GST_STATE_CHANGE_FAILURE);
    if (i % 3 != 0) gst_element_get_state(line.pipeline(), nullptr, nullptr, 20 * GST_SECOND);
    ASSERT_EQ(gst_element_set_state(line.pipeline(), i % 5 == 0 ? GST_STATE_READY : GST_STATE_NULL),
              GST_STATE_CHANGE_SUCCESS);
    drain(GST_ELEMENT_BUS(line.pipeline()));
  }
  std::cout << "allocated: first " << first_bytes / 1024 << " KiB, last " << allocated_bytes() / 1024 << " KiB\n";
  // GStreamer keeps a little of each cycle, with any element; a session left behind is larger than 5 KiB.
  EXPECT_LT(allocated_bytes(), first_bytes + 50 * 5 * 1024);
  EXPECT_LE(threads(), first_threads + 10);
  EXPECT_LE(settled(open_files, [&](std::size_t files) { return files <= first_files; }), first_files);
}

TEST(DitFilterStates, AnElementIsGoneWithItsLastReference) {
  gpointer watched = nullptr;
  {
    Line line(Properties{{"prompt", "red fox"}, {"steps", "2"}});
    watched = line.filter();
    g_object_add_weak_pointer(G_OBJECT(line.filter()), &watched);
    gst_element_set_state(line.pipeline(), GST_STATE_PLAYING);
    line.await(3);
  }
  EXPECT_EQ(watched, nullptr);
}

TEST(DitFilterStates, NextModelIsTakenAtTheNextStart) {
  Line line(Properties{{"prompt", "red fox"}, {"steps", "2"}});
  gst_element_set_state(line.pipeline(), GST_STATE_PLAYING);
  line.await(2);
  GstPad* pad = gst_element_get_static_pad(line.filter(), "src");
  EXPECT_EQ(info_of(pad).height, 12);
  gst_element_set_state(line.pipeline(), GST_STATE_READY);
  set(line.filter(), {{"model-location", source_path("tests/golden/tiny-eps.safetensors")}, {"prompt", ""}});
  const std::uint64_t before = line.frames();
  gst_element_set_state(line.pipeline(), GST_STATE_PLAYING);
  line.await(before + 2);
  EXPECT_EQ(info_of(pad).height, 8);
  gst_object_unref(pad);
  EXPECT_TRUE(drain(GST_ELEMENT_BUS(line.pipeline())).empty());
}

const Properties long_icon = {
    {"model-location", icon_model()}, {"prompt", "red fox"}, {"steps", "100"}, {"strength", "1"}, {"guidance", "2.5"}};

/// Of the icon model with the settings above, on this machine at this time.
double step_ms() {
  FilterHarness filter(
      {{"model-location", icon_model()}, {"prompt", "red fox"}, {"steps", "3"}, {"strength", "1"}, {"guidance", "2.5"}},
      "video/x-raw,format=RGBA,width=64,height=64,framerate=10/1");
  EXPECT_EQ(filter.push(Bytes(64 * 64 * 4), 0), GST_FLOW_OK);
  return static_cast<double>(filter.stat("last-render-time")) / 3e6;
}

void expect_quick(const char* what, std::vector<double> times, double step) {
  std::sort(times.begin(), times.end());
  std::cout << what << ": step " << step << " ms; " << times.size() << " tries, median " << times[times.size() / 2]
            << " ms, worst " << times.back() << " ms\n";
  // A busy machine stretches a step, and may leave a thread waiting, hence the one exception.
  EXPECT_LE(times[times.size() - 2], std::max(100.0, 8 * step));
}

double milliseconds_since(Clock::time_point start) {
  return std::chrono::duration<double, std::milli>(Clock::now() - start).count();
}

TEST(DitFilterCancel, StateChangeEndsAnIconWithinAStep) {
  const double step = step_ms();
  std::vector<double> times;
  Line line(long_icon);
  for (int round = 0; round < 6; ++round) {
    gst_element_set_state(line.pipeline(), GST_STATE_PLAYING);
    std::this_thread::sleep_for(std::chrono::milliseconds(80 + 13 * round));
    const auto start = Clock::now();
    EXPECT_EQ(gst_element_set_state(line.pipeline(), GST_STATE_NULL), GST_STATE_CHANGE_SUCCESS);
    times.push_back(milliseconds_since(start));
    EXPECT_TRUE(drain(GST_ELEMENT_BUS(line.pipeline())).empty()) << "an interruption is no error";
  }
  expect_quick("state change", times, step);
}

TEST(DitFilterCancel, FlushEndsAnIconWithinAStepAndTheNextIsWhole) {
  const double step = step_ms();
  std::vector<double> times;
  FilterHarness filter(long_icon, "video/x-raw,format=RGBA,width=64,height=64,framerate=10/1");
  for (int round = 0; round < 6; ++round) {
    GstFlowReturn flow = GST_FLOW_OK;
    std::thread upstream([&] { flow = filter.push(Bytes(64 * 64 * 4), 0); });
    std::this_thread::sleep_for(std::chrono::milliseconds(80 + 13 * round));
    const auto start = Clock::now();
    EXPECT_TRUE(gst_harness_push_event(filter.harness(), gst_event_new_flush_start()));
    upstream.join();
    times.push_back(milliseconds_since(start));
    EXPECT_EQ(flow, GST_FLOW_FLUSHING);
    EXPECT_TRUE(gst_harness_push_event(filter.harness(), gst_event_new_flush_stop(TRUE)));
    GstSegment segment;
    gst_segment_init(&segment, GST_FORMAT_TIME);
    EXPECT_TRUE(gst_harness_push_event(filter.harness(), gst_event_new_segment(&segment)));
  }
  expect_quick("flush", times, step);
  EXPECT_TRUE(drain(filter.bus()).empty()) << "an interruption is no error";
  set(filter.element(), {{"steps", "3"}, {"guidance", "-1"}, {"strength", "0.5"}});
  const Bytes sketch = drawing(1, 64, 64);
  ASSERT_EQ(filter.push(sketch, 1), GST_FLOW_OK);
  EXPECT_EQ(filter.pull().bytes, painted(sketch, {.steps = 3, .model = icon_model()}));
}

double storm_seconds() {
  const char* text = std::getenv("DIT_STORM_SECONDS");
  return text != nullptr ? std::atof(text) : 2.0;
}

/// Properties, seeks, states and caps change at once, from threads of their own.
void storm(const Properties& properties) {
  Line line(properties);
  const std::vector<Properties> changes = {{{"prompt", "red fox"}},
                                           {{"prompt", "green tree"}},
                                           {{"style", "line"}},
                                           {{"style", ""}},
                                           {{"seed", "4"}},
                                           {{"steps", "3"}},
                                           {{"steps", "0"}},
                                           {{"guidance", "1"}},
                                           {{"guidance", "4"}},
                                           {{"sampler", "ddpm"}},
                                           {{"sampler", "ipndm"}},
                                           {{"background", "77"}},
                                           {{"strength", "0.2"}},
                                           {{"strength", "0.9"}},
                                           {{"mask", "true"}},
                                           {{"mask", "false"}},
                                           {{"seed-mode", "advance"}},
                                           {{"seed-mode", "fixed"}},
                                           {{"batch-size", "3"}},
                                           {{"qos", "false"}},
                                           {{"qos", "true"}}};
  const std::vector<const char*> formats = {"RGBA", "BGRA", "ARGB", "ABGR"};
  const std::vector<std::function<void(std::mt19937&)>> actions = {
      [&](std::mt19937& random) {
        set(line.filter(), changes[random() % changes.size()]);
        g_usleep(random() % 500);
      },
      [&](std::mt19937& random) {
        gst_element_send_event(line.pipeline(),
                               gst_event_new_seek(1, GST_FORMAT_TIME, GST_SEEK_FLAG_FLUSH, GST_SEEK_TYPE_SET,
                                                  random() % 5 * GST_SECOND, GST_SEEK_TYPE_NONE, 0));
        g_usleep(random() % 3000);
      },
      [&](std::mt19937& random) {
        const GstState states[] = {GST_STATE_PLAYING, GST_STATE_PAUSED,  GST_STATE_PLAYING,
                                   GST_STATE_READY,   GST_STATE_PLAYING, GST_STATE_NULL};
        EXPECT_NE(gst_element_set_state(line.pipeline(), states[random() % std::size(states)]),
                  GST_STATE_CHANGE_FAILURE);
        g_usleep(random() % 40000);
      },
      [&](std::mt19937& random) {
        const auto factor = static_cast<int>(1 + random() % 3);
        set(line.caps(),
            {{"caps", std::string("video/x-raw,framerate=30/1,format=") + formats[random() % formats.size()] +
                          ",width=" + std::to_string(8 * factor) + ",height=" + std::to_string(12 * factor)}});
        g_usleep(random() % 5000);
      },
      [&](std::mt19937& random) {
        GstQuery* latency = gst_query_new_latency();
        gst_element_query(line.filter(), latency);
        gst_query_unref(latency);
        gint64 position = 0;
        gst_element_query_position(line.filter(), GST_FORMAT_TIME, &position);
        GstStructure* stats = nullptr;
        g_object_get(line.filter(), "stats", &stats, nullptr);
        gst_structure_free(stats);
        gst_element_send_event(line.filter(), gst_event_new_qos(GST_QOS_TYPE_UNDERFLOW, 1.5,
                                                                random() % 2 == 0 ? 20000000 : -20000000, GST_SECOND));
        g_usleep(random() % 1000);
      }};
  std::atomic<bool> done{false};
  std::vector<std::thread> threads;
  unsigned salt = 0;
  for (const auto& action : actions) {
    threads.emplace_back([&done, &action, random = std::mt19937(++salt)]() mutable {
      while (!done) action(random);
    });
  }
  std::this_thread::sleep_for(std::chrono::duration<double>(storm_seconds()));
  done = true;
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(gst_element_set_state(line.pipeline(), GST_STATE_NULL), GST_STATE_CHANGE_SUCCESS);
  int refused = 0;
  for (const Report& report : drain(GST_ELEMENT_BUS(line.pipeline()))) {
    // A capsfilter whose caps change during a flush may refuse what is on its way, with any element behind it; the
    // source, or the filter's base class, then says so.
    const bool of_caps =
        report.text.find("nternal data stream") != std::string::npos || report.text == "not negotiated";
    EXPECT_TRUE(of_caps) << report.text;
    refused += of_caps;
  }
  std::cout << line.frames() << " frames in " << storm_seconds() << " s; " << refused << " times refused caps\n";
  EXPECT_LE(refused, 2 + storm_seconds() / 10);
  EXPECT_GT(line.frames(), 0U);
}

TEST(DitFilterStorm, EverythingAtOnce) { storm({{"prompt", "red fox"}, {"steps", "3"}}); }

TEST(DitFilterStorm, EverythingAtOnceInBatches) {
  storm({{"prompt", "red fox"}, {"steps", "40"}, {"guidance", "4"}, {"batch-size", "5"}});
}

}  // namespace
}  // namespace dit::plugin_test
