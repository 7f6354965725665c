// SPDX-License-Identifier: MIT
// Ten thousand icons in flat memory; and the end of GStreamer, so that its leak tracer can report.
#include <gtest/gtest.h>

#include <atomic>
#include <iostream>

#include "tests/plugin/support/player.h"

namespace dit::plugin_test {
namespace {

/// Resident memory after some icons and after the last.
void expect_flat(const Properties& more, int icons) {
  Properties properties = {{"prompt", "red fox"}, {"steps", "1"}, {"guidance", "1"}};
  properties.insert(properties.end(), more.begin(), more.end());
  properties.emplace_back("num-buffers", std::to_string(icons));
  GstElement* source = make_element(properties);
  GstElement* sink = gst_element_factory_make("fakesink", nullptr);
  GstElement* pipeline = gst_pipeline_new(nullptr);
  gst_bin_add_many(GST_BIN(pipeline), source, sink, nullptr);
  ASSERT_TRUE(gst_element_link(source, sink));
  // Messages of every icon pile up on a bus that nobody reads, and that is not what is measured.
  gst_bus_set_sync_handler(
      GST_ELEMENT_BUS(pipeline),
      [](GstBus*, GstMessage* message, gpointer) {
        const auto wanted = static_cast<GstMessageType>(GST_MESSAGE_EOS | GST_MESSAGE_ERROR);
        if ((GST_MESSAGE_TYPE(message) & wanted) != 0) return GST_BUS_PASS;
        gst_message_unref(message);  // who drops it owns it
        return GST_BUS_DROP;
      },
      nullptr, nullptr);
  struct Count {
    std::uint64_t frames = 0;
    std::atomic<std::uint64_t> first_rss{0};
    std::atomic<std::uint64_t> last_rss{0};
    std::uint64_t warm = 0;
  } count;
  count.warm = static_cast<std::uint64_t>(icons) / 10;
  GstPad* pad = gst_element_get_static_pad(sink, "sink");
  gst_pad_add_probe(
      pad, GST_PAD_PROBE_TYPE_BUFFER,
      [](GstPad*, GstPadProbeInfo*, gpointer data) {
        auto* c = static_cast<Count*>(data);
        if (++c->frames == c->warm) c->first_rss = resident_bytes();
        c->last_rss = c->frames % c->warm == 0 ? resident_bytes() : c->last_rss.load();
        return GST_PAD_PROBE_OK;
      },
      &count, nullptr);
  gst_object_unref(pad);
  gst_element_set_state(pipeline, GST_STATE_PLAYING);
  GstMessage* end = gst_bus_timed_pop_filtered(GST_ELEMENT_BUS(pipeline), 120 * GST_SECOND,
                                               static_cast<GstMessageType>(GST_MESSAGE_EOS | GST_MESSAGE_ERROR));
  ASSERT_NE(end, nullptr);
  EXPECT_EQ(GST_MESSAGE_TYPE(end), GST_MESSAGE_EOS);
  gst_message_unref(end);
  gst_element_set_state(pipeline, GST_STATE_NULL);
  gst_object_unref(pipeline);
  std::cout << count.frames << " icons; resident after " << count.warm << ": " << count.first_rss / 1024
            << " KiB, after the last: " << count.last_rss / 1024 << " KiB\n";
  EXPECT_EQ(count.frames, static_cast<std::uint64_t>(icons));
  if (!sanitized) {
    EXPECT_LT(count.last_rss, count.first_rss + (std::uint64_t{1} << 20));
  }
}

TEST(DitSrcSoak, TenThousandIconsInFlatMemory) { expect_flat({}, 10000); }

TEST(DitSrcSoak, AWalkInAPipelineToo) {
  expect_flat({{"steps", "4"}, {"walk", "9"}, {"batch-size", "4"}, {"pipelined", "true"}}, 2000);
}

/// Ends GStreamer after the last test. GST_TRACERS=leaks then lists every object that is still there.
class Deinit : public testing::Environment {
 public:
  void TearDown() override {
    if (!gst_is_initialized()) return;
    if (g_getenv("DIT_TRACERS_WANTED") != nullptr) {
      GList* tracers = gst_tracing_get_active_tracers();
      for (const GList* at = tracers; at != nullptr; at = at->next) {
        std::cout << "tracers: " << GST_OBJECT_NAME(at->data) << "\n";
      }
      g_list_free_full(tracers, gst_object_unref);
    }
    gst_deinit();
  }
};

const testing::Environment* const deinit = testing::AddGlobalTestEnvironment(new Deinit);

}  // namespace
}  // namespace dit::plugin_test
