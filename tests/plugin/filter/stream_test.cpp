// SPDX-License-Identifier: MIT
// What a filter does to the stream around its frames: metas, late frames, latency, flushes, caps, errors.
#include <gtest/gtest.h>

#include "tests/plugin/support/filter.h"

namespace dit::plugin_test {
namespace {

const Properties fox = {{"prompt", "red fox"}, {"steps", "4"}, {"strength", "0.5"}};

TEST(DitFilterMeta, SaysWhatIsShown) {
  FilterHarness filter({{"prompt", "red fox"}, {"steps", "7"}, {"strength", "0.5"}, {"seed", "5"}, {"style", "flat"}});
  ASSERT_EQ(filter.push(drawing(0), 0), GST_FLOW_OK);
  ASSERT_EQ(filter.push(drawing(0), 1), GST_FLOW_OK);
  for (const gboolean again : {gboolean{FALSE}, gboolean{TRUE}}) {
    GstBuffer* buffer = filter.take();
    ASSERT_NE(buffer, nullptr);
    GstCustomMeta* meta = gst_buffer_get_custom_meta(buffer, "GstDitMeta");
    ASSERT_NE(meta, nullptr);
    const GstStructure* fields = gst_custom_meta_get_structure(meta);
    guint steps = 0, step = 0;
    guint64 seed = 0;
    double strength = 0, t = 0;
    gboolean repeated = FALSE;
    EXPECT_TRUE(gst_structure_get(fields, "steps", G_TYPE_UINT, &steps, "step", G_TYPE_UINT, &step, "seed",
                                  G_TYPE_UINT64, &seed, "strength", G_TYPE_DOUBLE, &strength, "t", G_TYPE_DOUBLE, &t,
                                  "repeated", G_TYPE_BOOLEAN, &repeated, nullptr));
    EXPECT_EQ(steps, 4U) << "half of seven, rounded up";
    EXPECT_EQ(step, 4U);
    EXPECT_EQ(seed, 5U);
    EXPECT_EQ(strength, 0.5);
    EXPECT_GT(t, 0);
    EXPECT_LT(t, 1);
    EXPECT_EQ(repeated, again);
    EXPECT_STREQ(gst_structure_get_string(fields, "prompt"), "red fox");
    EXPECT_STREQ(gst_structure_get_string(fields, "style"), "flat");
    EXPECT_STREQ(gst_structure_get_string(fields, "model-name"), "tiny.safetensors");
    EXPECT_EQ(std::string(gst_structure_get_string(fields, "model")).size(), 64U);
    gst_buffer_unref(buffer);
  }
}

TEST(DitFilterMeta, OthersPassAndFollowTheSize) {
  FilterHarness filter(fox, "video/x-raw,format=RGBA,width=16,height=24,framerate=10/1",
                       "video/x-raw,format=RGBA,width=8");
  GstBuffer* buffer = FilterHarness::buffer_of(drawing(0, 16, 24), 0);
  gst_buffer_add_video_region_of_interest_meta(buffer, "face", 4, 8, 6, 10);
  GstCaps* camera = gst_caps_new_empty_simple("timestamp/x-camera");
  gst_buffer_add_reference_timestamp_meta(buffer, camera, 77, GST_CLOCK_TIME_NONE);
  // As of a painted frame that comes in.
  gst_structure_set(gst_custom_meta_get_structure(gst_buffer_add_custom_meta(buffer, "GstDitMeta")), "prompt",
                    G_TYPE_STRING, "of another", nullptr);
  ASSERT_EQ(gst_harness_push(filter.harness(), buffer), GST_FLOW_OK);
  GstBuffer* icon = filter.take();
  ASSERT_NE(icon, nullptr);
  GstReferenceTimestampMeta* time = gst_buffer_get_reference_timestamp_meta(icon, camera);
  ASSERT_NE(time, nullptr);
  EXPECT_EQ(time->timestamp, 77U);
  const auto* region = reinterpret_cast<GstVideoRegionOfInterestMeta*>(
      gst_buffer_get_meta(icon, GST_VIDEO_REGION_OF_INTEREST_META_API_TYPE));
  ASSERT_NE(region, nullptr);
  EXPECT_EQ(region->x, 2U);
  EXPECT_EQ(region->y, 4U);
  EXPECT_EQ(region->w, 3U);
  EXPECT_EQ(region->h, 5U);
  int own = 0;
  gpointer state = nullptr;
  while (GstMeta* meta = gst_buffer_iterate_meta(icon, &state)) {
    if (!gst_meta_info_is_custom(meta->info)) continue;
    ++own;
    EXPECT_STREQ(
        gst_structure_get_string(gst_custom_meta_get_structure(reinterpret_cast<GstCustomMeta*>(meta)), "prompt"),
        "red fox");
  }
  EXPECT_EQ(own, 1);
  gst_caps_unref(camera);
  gst_buffer_unref(icon);
}

TEST(DitFilterQos, LateFramesAreNotPainted) {
  FilterHarness filter(fox);
  ASSERT_EQ(filter.push(drawing(0), 1), GST_FLOW_OK);
  gst_buffer_unref(filter.take());
  // A sink got frame 1 two frames late.
  ASSERT_TRUE(gst_harness_push_upstream_event(
      filter.harness(), gst_event_new_qos(GST_QOS_TYPE_UNDERFLOW, 2.0, GST_SECOND / 5, GST_SECOND / 10)));
  for (const unsigned n : {2U, 3U}) {
    ASSERT_EQ(filter.push(drawing(n), n), GST_FLOW_OK);
    EXPECT_EQ(filter.ready(), 0U) << n;
  }
  ASSERT_EQ(filter.push(drawing(4), 4), GST_FLOW_OK);
  const Frame frame = filter.pull();
  EXPECT_TRUE(frame.discont);
  EXPECT_EQ(frame.offset, 4U);
  EXPECT_EQ(filter.stat("skipped"), 2U);
  EXPECT_EQ(filter.stat("icons"), 2U);
}

TEST(DitFilterLatency, IsThatOfUpstreamAndItsOwn) {
  FilterHarness filter(Properties{{"prompt", "red fox"}, {"batch-size", "3"}});
  gst_harness_set_upstream_latency(filter.harness(), 40 * GST_MSECOND);
  EXPECT_EQ(gst_harness_query_latency(filter.harness()), 40 * GST_MSECOND);
  for (unsigned n = 0; n < 3; ++n) ASSERT_EQ(filter.push(drawing(n), n), GST_FLOW_OK);
  bool told = false;
  while (GstMessage* message = gst_bus_pop(filter.bus())) {
    told |= GST_MESSAGE_TYPE(message) == GST_MESSAGE_LATENCY;
    gst_message_unref(message);
  }
  EXPECT_TRUE(told);
  // The first of three frames of 100 ms waits for the last.
  EXPECT_GT(gst_harness_query_latency(filter.harness()), 240 * GST_MSECOND);
  EXPECT_EQ(gst_harness_query_latency(filter.harness()), 40 * GST_MSECOND + filter.stat("latency"));
}

TEST(DitFilterQueries, UpstreamHasBuffersForABatchAndMayDrainIt) {
  FilterHarness filter(Properties{{"prompt", "red fox"}, {"batch-size", "4"}});
  GstCaps* caps = gst_caps_from_string("video/x-raw,format=RGBA,width=8,height=12,framerate=10/1");
  GstQuery* allocation = gst_query_new_allocation(caps, TRUE);
  ASSERT_TRUE(gst_pad_peer_query(filter.harness()->srcpad, allocation));
  ASSERT_GT(gst_query_get_n_allocation_pools(allocation), 0U);
  guint least = 0;
  gst_query_parse_nth_allocation_pool(allocation, 0, nullptr, nullptr, &least, nullptr);
  EXPECT_GE(least, 4U);
  EXPECT_TRUE(gst_query_find_allocation_meta(allocation, GST_VIDEO_META_API_TYPE, nullptr));
  gst_query_unref(allocation);
  gst_caps_unref(caps);
  ASSERT_EQ(filter.push(drawing(0), 0), GST_FLOW_OK);
  EXPECT_EQ(filter.ready(), 0U);
  GstQuery* drain_query = gst_query_new_drain();
  gst_pad_peer_query(filter.harness()->srcpad, drain_query);
  gst_query_unref(drain_query);
  EXPECT_EQ(filter.ready(), 1U);
}

TEST(DitFilterFlush, ForgetsWhatWaits) {
  FilterHarness filter({{"prompt", "red fox"}, {"steps", "4"}, {"strength", "0.5"}, {"batch-size", "2"}});
  ASSERT_EQ(filter.push(drawing(0), 0), GST_FLOW_OK);
  ASSERT_TRUE(gst_harness_push_event(filter.harness(), gst_event_new_flush_start()));
  ASSERT_TRUE(gst_harness_push_event(filter.harness(), gst_event_new_flush_stop(TRUE)));
  GstSegment segment;
  gst_segment_init(&segment, GST_FORMAT_TIME);
  ASSERT_TRUE(gst_harness_push_event(filter.harness(), gst_event_new_segment(&segment)));
  ASSERT_EQ(filter.push(drawing(1), 5), GST_FLOW_OK);
  EXPECT_EQ(filter.ready(), 0U);
  ASSERT_EQ(filter.push(drawing(2), 6, GST_BUFFER_FLAG_GAP), GST_FLOW_OK);
  ASSERT_EQ(filter.ready(), 2U);
  EXPECT_EQ(filter.pull().bytes, painted(drawing(1), {}));
  EXPECT_EQ(filter.pull().bytes, painted(drawing(1), {}));
}

TEST(DitFilterCaps, ChangeBetweenFrames) {
  FilterHarness filter(fox, "video/x-raw,format=RGBA,width=8,height=12,framerate=10/1", "video/x-raw");
  for (unsigned k = 1; k < 4; ++k) {
    const int width = static_cast<int>(8 * k);
    const int height = static_cast<int>(12 * k);
    gst_harness_set_src_caps_str(
        filter.harness(),
        ("video/x-raw,format=RGBA,framerate=10/1,width=" + std::to_string(width) + ",height=" + std::to_string(height))
            .c_str());
    ASSERT_EQ(filter.push(drawing(k, width, height), k), GST_FLOW_OK);
    EXPECT_EQ(filter.pull().bytes.size(), static_cast<std::size_t>(width * height * 4));
  }
  EXPECT_TRUE(drain(filter.bus()).empty());
}

TEST(DitFilterCaps, NameTheModelsSizeFirst) {
  FilterHarness filter(fox, "");
  GstPad* pad = gst_element_get_static_pad(filter.element(), "sink");
  GstCaps* caps = gst_pad_query_caps(pad, nullptr);
  int width = 0, height = 0;
  const GstStructure* first = gst_caps_get_structure(caps, 0);
  EXPECT_TRUE(gst_structure_get(first, "width", G_TYPE_INT, &width, "height", G_TYPE_INT, &height, nullptr));
  EXPECT_EQ(width, 8);
  EXPECT_EQ(height, 12);
  for (const auto& [size, fits] : std::vector<std::pair<const char*, bool>>{{"width=16,height=24", true},
                                                                            {"width=16,height=12", false},
                                                                            {"width=9,height=12", false},
                                                                            {"width=512,height=768", true},
                                                                            {"width=520,height=780", false}}) {
    GstCaps* one = gst_caps_from_string(
        (std::string("video/x-raw,format=BGRx,framerate=30/1,pixel-aspect-ratio=1/1,") + size).c_str());
    EXPECT_EQ(gst_caps_can_intersect(caps, one) != FALSE, fits) << size;
    EXPECT_EQ(gst_pad_query_accept_caps(pad, one) != FALSE, fits) << size;
    gst_caps_unref(one);
  }
  gst_caps_unref(caps);
  gst_object_unref(pad);
}

/// What a pipeline says until it ends or fails, at most 30 s.
std::vector<Report> run(const std::string& line, guint64* frames = nullptr) {
  init_gstreamer();
  GError* error = nullptr;
  GstElement* pipeline = gst_parse_launch(line.c_str(), &error);
  if (error != nullptr) {
    ADD_FAILURE() << error->message;
    g_error_free(error);
    return {};
  }
  gst_element_set_state(pipeline, GST_STATE_PLAYING);
  GstBus* bus = gst_element_get_bus(pipeline);
  GstMessage* end =
      gst_bus_poll(bus, static_cast<GstMessageType>(GST_MESSAGE_EOS | GST_MESSAGE_ERROR), 30 * GST_SECOND);
  if (end == nullptr) ADD_FAILURE() << "does not end: " << line;
  std::vector<Report> reports;
  if (end != nullptr) {
    if (GST_MESSAGE_TYPE(end) == GST_MESSAGE_ERROR) {
      GError* found = nullptr;
      gst_message_parse_error(end, &found, nullptr);
      reports.push_back({GST_MESSAGE_ERROR, found->domain, found->code, found->message});
      g_error_free(found);
    }
    gst_message_unref(end);
  }
  if (frames != nullptr) {
    GstElement* filter = gst_bin_get_by_name(GST_BIN(pipeline), "filter");
    GstStructure* stats = nullptr;
    g_object_get(filter, "stats", &stats, nullptr);
    gst_structure_get_uint64(stats, "frames", frames);
    gst_structure_free(stats);
    gst_object_unref(filter);
  }
  gst_element_set_state(pipeline, GST_STATE_NULL);
  gst_object_unref(bus);
  gst_object_unref(pipeline);
  return reports;
}

const std::string tiny = " ditfilter name=filter device=cpu steps=2 model-location=" + tiny_model() + " ";

TEST(DitFilterCaps, ConvertersBeforeItJustWork) {
  for (const std::string& source :
       {std::string("videotestsrc num-buffers=4"),
        std::string("videotestsrc num-buffers=4 ! video/x-raw,format=I420,width=320,height=240,framerate=30/1"),
        std::string("videotestsrc num-buffers=4 ! video/x-raw,format=GRAY8,width=33,height=77"),
        std::string("videotestsrc num-buffers=4 ! video/x-raw,format=YUY2,pixel-aspect-ratio=16/15")}) {
    guint64 frames = 0;
    const auto reports =
        run(source + " ! videoconvert ! videoscale !" + tiny + "! videoconvert ! video/x-raw,format=I420 ! fakesink",
            &frames);
    EXPECT_TRUE(reports.empty()) << source << ": " << reports[0].text;
    EXPECT_EQ(frames, 4U) << source;
  }
  guint64 frames = 0;
  EXPECT_TRUE(run("videotestsrc num-buffers=3 !" + tiny + "! fakesink", &frames).empty()) << "alone, too";
  EXPECT_EQ(frames, 3U);
}

TEST(DitFilterErrors, ASizeThatDoesNotFitIsNamed) {
  FilterHarness filter(fox, "");
  GstEvent* start = gst_event_new_stream_start("test");
  gst_harness_push_event(filter.harness(), start);
  GstCaps* caps = gst_caps_from_string("video/x-raw,format=RGBA,width=100,height=70,framerate=10/1");
  gst_harness_push_event(filter.harness(), gst_event_new_caps(caps));
  gst_caps_unref(caps);
  GstSegment segment;
  gst_segment_init(&segment, GST_FORMAT_TIME);
  gst_harness_push_event(filter.harness(), gst_event_new_segment(&segment));
  // The caps stick to the pad, and come again with every frame.
  EXPECT_EQ(filter.push(Bytes(100 * 70 * 4), 0), GST_FLOW_NOT_NEGOTIATED);
  const auto reports = drain(filter.bus());
  ASSERT_EQ(reports.size(), 1U);
  EXPECT_EQ(reports[0].domain, GST_STREAM_ERROR);
  EXPECT_EQ(reports[0].code, GST_STREAM_ERROR_FORMAT);
  for (const char* part : {"8x12", "width=(int)100", "height=(int)70"}) {
    EXPECT_NE(reports[0].text.find(part), std::string::npos) << reports[0].text;
  }
}

TEST(DitFilterErrors, AnOutputOfUnequalMultiplesIsNamed) {
  const auto reports = run("videotestsrc num-buffers=1 !" + tiny + "! video/x-raw,width=16,height=12 ! fakesink");
  ASSERT_EQ(reports.size(), 1U);
  EXPECT_NE(reports[0].text.find("no common format"), std::string::npos) << reports[0].text;
}

TEST(DitFilterErrors, ABufferThatIsTooSmallIsNamed) {
  FilterHarness filter(fox);
  EXPECT_EQ(filter.push(Bytes(100), 0), GST_FLOW_ERROR);
  const auto reports = drain(filter.bus());
  ASSERT_EQ(reports.size(), 1U);
  EXPECT_NE(reports[0].text.find("384"), std::string::npos) << reports[0].text;
  EXPECT_NE(reports[0].text.find("100"), std::string::npos) << reports[0].text;
}

TEST(DitFilterErrors, AreThoseOfTheSource) {
  const std::vector<std::tuple<Properties, GQuark, int, std::string>> mistakes = {
      {{{"model-location", "/nowhere/at-all"}}, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_NOT_FOUND, "/nowhere/at-all"},
      {{{"device", "toaster"}}, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_SETTINGS, "toaster"},
      {{{"prompt", "foxx"}}, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_SETTINGS, "foxx"},
      {{{"style", "rond"}}, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_SETTINGS, "rond"}};
  for (const auto& [properties, domain, code, part] : mistakes) {
    GstElement* element = make_element(properties, "ditfilter");
    GstBus* bus = gst_bus_new();
    gst_element_set_bus(element, bus);
    EXPECT_EQ(gst_element_set_state(element, GST_STATE_PAUSED), GST_STATE_CHANGE_FAILURE);
    const auto reports = drain(bus);
    ASSERT_EQ(reports.size(), 1U) << part;
    EXPECT_EQ(reports[0].domain, domain);
    EXPECT_EQ(reports[0].code, code);
    EXPECT_NE(reports[0].text.find(part), std::string::npos) << reports[0].text;
    gst_element_set_state(element, GST_STATE_NULL);
    gst_element_set_bus(element, nullptr);
    gst_object_unref(bus);
    gst_object_unref(element);
  }
}

TEST(DitFilterErrors, APromptThatTurnsUnknownEndsTheStream) {
  FilterHarness filter(fox);
  ASSERT_EQ(filter.push(drawing(0), 0), GST_FLOW_OK);
  set(filter.element(), {{"prompt", "foxx"}});
  EXPECT_EQ(filter.push(drawing(0), 1), GST_FLOW_ERROR);
  const auto reports = drain(filter.bus());
  ASSERT_EQ(reports.size(), 1U);
  EXPECT_NE(reports[0].text.find("foxx"), std::string::npos) << reports[0].text;
}

TEST(DitFilterClass, IsAFilterForVideo) {
  init_gstreamer();
  GstElementFactory* factory = gst_element_factory_find("ditfilter");
  ASSERT_NE(factory, nullptr);
  EXPECT_STREQ(gst_element_factory_get_metadata(factory, GST_ELEMENT_METADATA_KLASS), "Filter/Effect/Video");
  gst_object_unref(factory);
}

}  // namespace
}  // namespace dit::plugin_test
