// SPDX-License-Identifier: MIT
// State cycles and threads.
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <filesystem>
#include <iostream>
#include <thread>

#include "source.h"

namespace dit::plugin_test {
namespace {

std::size_t entries(const char* folder) {
  return static_cast<std::size_t>(std::distance(std::filesystem::directory_iterator(folder), {}));
}

/// `element ! fakesink`, taken to `state` and back to NULL.
void cycle(GstElement* element, GstState state, bool wait) {
  GstElement* pipeline = gst_pipeline_new(nullptr);
  GstElement* sink = gst_element_factory_make("fakesink", nullptr);
  gst_bin_add_many(GST_BIN(pipeline), element, sink, nullptr);
  ASSERT_TRUE(gst_element_link(element, sink));
  ASSERT_NE(gst_element_set_state(pipeline, state), GST_STATE_CHANGE_FAILURE);
  if (wait) {
    EXPECT_EQ(gst_element_get_state(pipeline, nullptr, nullptr, 30 * GST_SECOND), GST_STATE_CHANGE_SUCCESS);
  }
  EXPECT_EQ(gst_element_set_state(pipeline, GST_STATE_NULL), GST_STATE_CHANGE_SUCCESS);
  gst_bin_remove(GST_BIN(pipeline), element);
  gst_object_unref(pipeline);
}

TEST(DitSrcStates, FiftyCyclesLeaveNothingBehind) {
  GstElement* element = make_element({{"batch-size", "2"}});
  gst_object_ref_sink(element);
  std::uint64_t first_bytes = 0;
  std::size_t first_threads = 0;
  std::size_t first_files = 0;
  constexpr int warm_up = 10;
  for (int i = 0; i < warm_up + 50; ++i) {
    if (i == warm_up) {
      first_bytes = allocated_bytes();
      first_threads = entries("/proc/self/task");
      first_files = entries("/proc/self/fd");
    }
    cycle(element, i % 2 == 0 ? GST_STATE_PAUSED : GST_STATE_PLAYING, i % 3 != 0);
  }
  const std::uint64_t last_bytes = allocated_bytes();
  std::cout << "allocated: first " << first_bytes / 1024 << " KiB, last " << last_bytes / 1024 << " KiB\n";
  // GStreamer itself keeps about half a KiB of each cycle, with any element; a session left behind is larger than 5
  // KiB.
  EXPECT_LT(last_bytes, first_bytes + 50 * 5 * 1024);
  // The task pool keeps threads for a while; one left behind by each cycle would be fifty.
  EXPECT_LE(entries("/proc/self/task"), first_threads + 10);
  EXPECT_LE(entries("/proc/self/fd"), first_files);
  EXPECT_EQ(GST_OBJECT_REFCOUNT_VALUE(element), 1);
  gst_object_unref(element);
}

TEST(DitSrcStates, AnElementIsGoneWithItsLastReference) {
  GstElement* element = make_element({});
  gpointer watched = element;
  g_object_add_weak_pointer(G_OBJECT(element), &watched);
  gst_object_ref_sink(element);
  cycle(element, GST_STATE_PLAYING, true);
  gst_object_unref(element);
  EXPECT_EQ(watched, nullptr);
}

TEST(DitSrcStates, ARestartBeginsAgain) {
  Source source(Properties{{"seed", "8"}});
  source.play();
  source.pull(2);
  gst_element_set_state(source.element(), GST_STATE_READY);
  while (gst_harness_buffers_in_queue(source.harness()) > 0) gst_buffer_unref(gst_harness_pull(source.harness()));
  set(source.element(), {{"num-buffers", "2"}});
  source.play();
  const auto frames = source.pull(2);
  const auto expected = pictures({{"seed", "8"}}, 2);
  for (std::size_t i = 0; i < 2; ++i) {
    EXPECT_EQ(frames[i].offset, i);
    EXPECT_EQ(frames[i].bytes, expected[i]);
  }
  EXPECT_TRUE(frames[0].discont);
}

TEST(DitSrcStates, NextModelIsTakenAtTheNextStart) {
  Source source(Properties{{"num-buffers", "1"}});
  source.play();
  source.pull();
  EXPECT_EQ(source.info().height, 12);
  gst_element_set_state(source.element(), GST_STATE_READY);
  set(source.element(), {{"model-location", source_path("tests/golden/tiny-eps.safetensors")}});
  source.play();
  source.pull();
  EXPECT_EQ(source.info().height, 8);
  EXPECT_TRUE(drain(source.bus()).empty());
}

TEST(DitSrcThreads, PropertiesMayBeWrittenWhileItRuns) {
  GstElement* element = make_element({{"batch-size", "3"}});
  gst_object_ref_sink(element);
  GstElement* pipeline = gst_pipeline_new(nullptr);
  GstElement* sink = gst_element_factory_make("fakesink", nullptr);
  gst_bin_add_many(GST_BIN(pipeline), element, sink, nullptr);
  ASSERT_TRUE(gst_element_link(element, sink));
  std::atomic<std::uint64_t> frames{0};
  GstPad* pad = gst_element_get_static_pad(sink, "sink");
  gst_pad_add_probe(
      pad, GST_PAD_PROBE_TYPE_BUFFER,
      [](GstPad*, GstPadProbeInfo* info, gpointer count) {
        auto& seen = *static_cast<std::atomic<std::uint64_t>*>(count);
        EXPECT_EQ(GST_BUFFER_OFFSET(GST_PAD_PROBE_INFO_BUFFER(info)), seen.fetch_add(1));
        return GST_PAD_PROBE_OK;
      },
      &frames, nullptr);
  gst_object_unref(pad);
  gst_element_set_state(pipeline, GST_STATE_PLAYING);

  std::atomic<bool> done{false};
  const auto storm = [&](unsigned salt) {
    const std::vector<Properties> changes = {{{"prompt", "red fox"}}, {{"prompt", "a green and blue tree"}},
                                             {{"prompt", ""}},        {{"style", "line"}},
                                             {{"style", ""}},         {{"seed-name", "ada"}},
                                             {{"seed-name", ""}},     {{"steps", "3"}},
                                             {{"steps", "0"}},        {{"emit", "steps"}},
                                             {{"emit", "final"}},     {{"hold", "3"}},
                                             {{"guidance", "1"}},     {{"guidance", "4"}},
                                             {{"sampler", "ddpm"}},   {{"sampler", "ipndm"}},
                                             {{"background", "77"}},  {{"batch-size", "5"}},
                                             {{"device", "auto"}}};
    for (unsigned i = salt; !done; i += 7) {
      set(element, changes[i % changes.size()]);
      g_object_set(element, "seed", static_cast<guint64>(i), nullptr);
      gchar* prompt = nullptr;
      guint64 seed = 0;
      g_object_get(element, "prompt", &prompt, "seed", &seed, nullptr);
      g_free(prompt);
    }
  };
  std::thread one(storm, 0);
  std::thread two(storm, 3);
  std::this_thread::sleep_for(std::chrono::seconds(2));
  done = true;
  one.join();
  two.join();
  EXPECT_EQ(gst_element_set_state(pipeline, GST_STATE_NULL), GST_STATE_CHANGE_SUCCESS);
  EXPECT_GT(frames, 20U);
  GstBus* bus = gst_element_get_bus(pipeline);
  for (const Report& report : drain(bus)) {
    EXPECT_EQ(report.type, GST_MESSAGE_WARNING) << report.text;  // "a" and "and" are no words of the tiny model
  }
  gst_object_unref(bus);
  gst_object_unref(pipeline);
  EXPECT_EQ(GST_OBJECT_REFCOUNT_VALUE(element), 1);
  gst_object_unref(element);
}

}  // namespace
}  // namespace dit::plugin_test
