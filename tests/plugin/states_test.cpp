// SPDX-License-Identifier: MIT
// State cycles, settings that wait for the next one, and threads.
#include <gtest/gtest.h>

#include <gst/base/gstbasesrc.h>

#include <atomic>
#include <chrono>
#include <iostream>
#include <thread>

#include "tests/plugin/support/player.h"
#include "tests/plugin/support/process.h"

namespace dit::plugin_test {
namespace {

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
      first_threads = threads();
      first_files = open_files();
    }
    cycle(element, i % 2 == 0 ? GST_STATE_PAUSED : GST_STATE_PLAYING, i % 3 != 0);
  }
  const std::uint64_t last_bytes = allocated_bytes();
  std::cout << "allocated: first " << first_bytes / 1024 << " KiB, last " << last_bytes / 1024 << " KiB\n";
  // GStreamer itself keeps about half a KiB of each cycle, with any element; a session left behind is larger than 5
  // KiB.
  EXPECT_LT(last_bytes, first_bytes + 50 * 5 * 1024);
  // The task pool keeps threads for a while; one left behind by each cycle would be fifty.
  EXPECT_LE(threads(), first_threads + 10);
  EXPECT_LE(settled(open_files, [&](std::size_t files) { return files <= first_files; }), first_files);
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

TEST(DitSrcStates, LivenessIsTakenAtTheNextStart) {
  GstElement* element = make_element({});
  gst_object_ref_sink(element);
  gst_element_set_state(element, GST_STATE_PAUSED);
  set(element, {{"is-live", "true"}});
  gboolean live = FALSE;
  g_object_get(element, "is-live", &live, nullptr);
  EXPECT_TRUE(live);
  EXPECT_FALSE(gst_base_src_is_live(GST_BASE_SRC(element)));
  EXPECT_EQ(gst_element_set_state(element, GST_STATE_PLAYING), GST_STATE_CHANGE_SUCCESS);
  EXPECT_EQ(gst_element_set_state(element, GST_STATE_READY), GST_STATE_CHANGE_SUCCESS);
  EXPECT_EQ(gst_element_set_state(element, GST_STATE_PAUSED), GST_STATE_CHANGE_NO_PREROLL);
  set(element, {{"is-live", "false"}});
  EXPECT_TRUE(gst_base_src_is_live(GST_BASE_SRC(element)));
  EXPECT_EQ(gst_element_set_state(element, GST_STATE_NULL), GST_STATE_CHANGE_SUCCESS);
  gst_object_unref(element);
}

TEST(DitSrcStates, LatePolicyIsTakenAtTheNextStart) {
  // More steps than there is time for, so that an icon is always in the making.
  Player player({{"is-live", "true"}, {"steps", "1000"}}, "video/x-raw,format=RGBA,framerate=100/1", true);
  for (const std::string first : {"repeat", "skip", "late"}) {
    SCOPED_TRACE(first);
    set(player.source(), {{"late-policy", first}});
    player.play();
    for (int i = 0; i < 30; ++i) {
      g_usleep(5000);
      set(player.source(), {{"late-policy", i % 3 == 0 ? "late" : i % 3 == 1 ? "repeat" : "skip"}});
    }
    g_usleep(100000);
    GstStructure* stats = nullptr;
    g_object_get(player.source(), "stats", &stats, nullptr);
    guint64 frames = 0, repeated = 0, skipped = 0;
    gst_structure_get(stats, "frames", G_TYPE_UINT64, &frames, "repeated", G_TYPE_UINT64, &repeated, "skipped",
                      G_TYPE_UINT64, &skipped, nullptr);
    gst_structure_free(stats);
    EXPECT_GT(frames, 0U);
    EXPECT_TRUE(first == "repeat" || repeated == 0) << repeated;
    EXPECT_TRUE(first != "late" || skipped == 0) << skipped;
    EXPECT_EQ(gst_element_set_state(player.pipeline(), GST_STATE_READY), GST_STATE_CHANGE_SUCCESS);
    EXPECT_TRUE(player.errors().empty());
  }
}

TEST(DitSrcStates, ALiveStreamMayTurnIntoAStill) {
  const auto still = pictures({{"steps", "400"}, {"emit", "steps"}}, 1, "video/x-raw,format=RGBA,framerate=0/1");
  Player player({{"is-live", "true"}, {"steps", "400"}}, "video/x-raw,format=RGBA,framerate=100/1", true);
  player.play();
  g_usleep(50000);  // the painter is at its next icon
  set(player.filter(), {{"caps", "video/x-raw,format=RGBA,framerate=0/1"}});
  const auto frames = player.until_end();
  ASSERT_FALSE(frames.empty());
  EXPECT_EQ(frames.back().duration, GST_CLOCK_TIME_NONE);
  EXPECT_EQ(frames.back().bytes.size(), still[0].size());
  EXPECT_TRUE(player.errors().empty());
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
