// SPDX-License-Identifier: MIT
// What the stream says of itself: metas, tags, messages, statistics.
#include <gtest/gtest.h>

#include <array>
#include <cstdio>
#include <map>

#include "engine/session/session.h"
#include "tests/plugin/support/player.h"

namespace dit::plugin_test {
namespace {

/// Metas of the buffers that leave the element, as text.
class Metas {
 public:
  explicit Metas(GstElement* element, const char* pad_name = "src") {
    GstPad* pad = gst_element_get_static_pad(element, pad_name);
    gst_pad_add_probe(
        pad, GST_PAD_PROBE_TYPE_BUFFER,
        [](GstPad*, GstPadProbeInfo* info, gpointer self) {
          GstCustomMeta* meta = gst_buffer_get_custom_meta(GST_PAD_PROBE_INFO_BUFFER(info), "GstDitMeta");
          static_cast<Metas*>(self)->all.push_back(
              meta != nullptr ? gst_structure_copy(gst_custom_meta_get_structure(meta)) : nullptr);
          return GST_PAD_PROBE_OK;
        },
        this, nullptr);
    gst_object_unref(pad);
  }
  ~Metas() {
    for (GstStructure* one : all) gst_clear_structure(&one);
  }
  std::vector<GstStructure*> all;  // to be read when the stream has ended
};

template <typename T>
T field(const GstStructure* structure, const char* name, GType type) {
  T value{};
  EXPECT_TRUE(gst_structure_get(structure, name, type, &value, nullptr)) << name;
  return value;
}

std::string text(const GstStructure* structure, const char* name) {
  const gchar* value = gst_structure_get_string(structure, name);
  EXPECT_NE(value, nullptr) << name;
  return value != nullptr ? value : "";
}

std::string sha256sum(const std::string& path) {
  FILE* pipe = popen(("sha256sum '" + path + "'").c_str(), "r");
  std::array<char, 65> hex{};
  EXPECT_NE(std::fgets(hex.data(), hex.size(), pipe), nullptr);
  pclose(pipe);
  return hex.data();
}

TEST(DitSrcMeta, EveryBufferSaysWhatItShows) {
  Player player({{"prompt", "red fox"},
                 {"style", "flat"},
                 {"seed", "18446744073709551615"},
                 {"emit", "steps"},
                 {"steps", "4"},
                 {"hold", "2"},
                 {"sampler", "dpm++2m"},
                 {"guidance", "3.5"},
                 {"precision", "f32"},
                 {"num-buffers", "10"}});
  const Metas metas(player.source());
  player.play();
  player.until_end();
  ASSERT_EQ(metas.all.size(), 10U);
  const auto session = Session::open({.model = tiny_model(), .device = "cpu"});
  const auto table = solver_table(session->model().config(), Sampler::dpmpp_2m, 4, 3.5);
  const std::string hash = sha256sum(tiny_model());
  for (guint n = 0; n < metas.all.size(); ++n) {
    SCOPED_TRACE(n);
    const GstStructure* meta = metas.all[n];
    ASSERT_NE(meta, nullptr);
    const guint step = std::min(n % 5 + 1, 4U);
    EXPECT_EQ(field<guint64>(meta, "seed", G_TYPE_UINT64), G_MAXUINT64);
    EXPECT_EQ(field<guint64>(meta, "index", G_TYPE_UINT64), n / 5);
    EXPECT_EQ(field<guint>(meta, "step", G_TYPE_UINT), step);
    EXPECT_EQ(field<guint>(meta, "steps", G_TYPE_UINT), 4U);
    EXPECT_EQ(field<double>(meta, "t", G_TYPE_DOUBLE), table[step - 1].t);
    EXPECT_EQ(field<double>(meta, "sigma", G_TYPE_DOUBLE), table[step - 1].level.sigma);
    EXPECT_EQ(field<double>(meta, "guidance", G_TYPE_DOUBLE), 3.5);
    EXPECT_EQ(text(meta, "prompt"), "red fox");
    EXPECT_EQ(text(meta, "style"), "flat");
    EXPECT_EQ(text(meta, "sampler"), "dpm++2m");
    EXPECT_EQ(text(meta, "device"), "cpu");
    EXPECT_EQ(text(meta, "precision"), "f32");
    EXPECT_EQ(text(meta, "model"), hash);
    EXPECT_EQ(text(meta, "model-name"), "tiny.safetensors");
  }
}

TEST(DitSrcMeta, SurvivesConversionAndScaling) {
  init_gstreamer();
  const std::string line = "ditsrc name=source num-buffers=2 device=cpu model-location=" + tiny_model() +
                           " ! videoconvert ! videoscale ! video/x-raw,format=I420,width=20,height=20 ! queue ! "
                           "fakesink name=sink";
  GstElement* pipeline = gst_parse_launch(line.c_str(), nullptr);
  ASSERT_NE(pipeline, nullptr);
  GstElement* sink = gst_bin_get_by_name(GST_BIN(pipeline), "sink");
  const Metas metas(sink, "sink");
  gst_element_set_state(pipeline, GST_STATE_PLAYING);
  GstMessage* end = gst_bus_timed_pop_filtered(GST_ELEMENT_BUS(pipeline), 20 * GST_SECOND,
                                               static_cast<GstMessageType>(GST_MESSAGE_EOS | GST_MESSAGE_ERROR));
  ASSERT_NE(end, nullptr);
  gst_message_unref(end);
  gst_element_set_state(pipeline, GST_STATE_NULL);
  ASSERT_EQ(metas.all.size(), 2U);
  for (const GstStructure* meta : metas.all) EXPECT_NE(meta, nullptr);
  gst_object_unref(sink);
  gst_object_unref(pipeline);
}

TEST(DitSrcTags, AreSentOnce) {
  Source source(Properties{{"prompt", "red fox"}, {"style", "line"}, {"seed", "77"}, {"num-buffers", "5"}});
  source.play();
  source.pull(5);
  int tags = 0;
  std::string order;
  while (GstEvent* event = gst_harness_pull_event(source.harness())) {
    order += std::string(GST_EVENT_TYPE_NAME(event)) + " ";
    if (GST_EVENT_TYPE(event) == GST_EVENT_TAG) {
      ++tags;
      GstTagList* list = nullptr;
      gst_event_parse_tag(event, &list);
      gchar* title = nullptr;
      gchar* comment = nullptr;
      gchar* seed = nullptr;
      EXPECT_TRUE(gst_tag_list_get_string(list, GST_TAG_TITLE, &title));
      EXPECT_TRUE(gst_tag_list_get_string(list, GST_TAG_COMMENT, &comment));
      EXPECT_TRUE(gst_tag_list_get_string_index(list, GST_TAG_EXTENDED_COMMENT, 0, &seed));
      EXPECT_STREQ(title, "red fox");
      EXPECT_STREQ(comment, "style: line");
      EXPECT_STREQ(seed, "seed=77");
      g_free(title);
      g_free(comment);
      g_free(seed);
    }
    const bool end = GST_EVENT_TYPE(event) == GST_EVENT_EOS;
    gst_event_unref(event);
    if (end) break;
  }
  EXPECT_EQ(tags, 1) << order;
}

TEST(DitSrcMessages, StepsAreToldIfAskedFor) {
  Source source(
      Properties{{"emit", "steps"}, {"steps", "3"}, {"hold", "2"}, {"post-steps", "true"}, {"num-buffers", "8"}});
  source.play();
  source.pull(8);
  ASSERT_TRUE(source.ends());
  std::vector<std::string> texts;
  EXPECT_TRUE(drain(source.bus(), &texts).empty());
  std::map<std::string, int> count;
  guint64 time = 0;
  for (const std::string& one : texts) {
    GstStructure* structure = gst_structure_from_string(one.c_str(), nullptr);
    ++count[gst_structure_get_name(structure)];
    if (gst_structure_has_name(structure, "ditsrc-step")) {
      guint64 now = 0;
      guint step = 0;
      EXPECT_TRUE(
          gst_structure_get(structure, "render-time", G_TYPE_UINT64, &now, "step", G_TYPE_UINT, &step, nullptr));
      EXPECT_GT(now, 0U);
      if (step > 1) {
        EXPECT_GE(now, time) << "an icon's time grows with its steps";
      }
      time = now;
    }
    gst_structure_free(structure);
  }
  EXPECT_EQ(count["ditsrc-step"], 6) << "a held picture is no step";
  EXPECT_EQ(count["ditsrc-icon"], 2);
}

TEST(DitSrcMessages, OpeningIsProgress) {
  for (const bool good : {true, false}) {
    GstElement* element = make_element({});
    if (!good) set(element, {{"device", "toaster"}});
    GstBus* bus = gst_bus_new();
    gst_element_set_bus(element, bus);
    EXPECT_EQ(gst_element_set_state(element, GST_STATE_PAUSED) != GST_STATE_CHANGE_FAILURE, good);
    std::vector<GstProgressType> types;
    while (GstMessage* message = gst_bus_pop_filtered(bus, GST_MESSAGE_PROGRESS)) {
      GstProgressType type = GST_PROGRESS_TYPE_START;
      gchar* code = nullptr;
      gchar* words = nullptr;
      gst_message_parse_progress(message, &type, &code, &words);
      EXPECT_STREQ(code, "open");
      EXPECT_STRNE(words, "");
      g_free(code);
      g_free(words);
      gst_message_unref(message);
      types.push_back(type);
    }
    EXPECT_EQ(types,
              (std::vector{GST_PROGRESS_TYPE_START, good ? GST_PROGRESS_TYPE_COMPLETE : GST_PROGRESS_TYPE_ERROR}));
    gst_element_set_state(element, GST_STATE_NULL);
    gst_element_set_bus(element, nullptr);
    gst_object_unref(bus);
    gst_object_unref(element);
  }
}

TEST(DitSrcStats, CountFramesAndIcons) {
  Source source(Properties{{"emit", "steps"}, {"steps", "3"}, {"num-buffers", "7"}});
  source.play();
  source.pull(7);
  ASSERT_TRUE(source.ends());
  GstStructure* stats = nullptr;
  g_object_get(source.element(), "stats", &stats, nullptr);
  ASSERT_NE(stats, nullptr);
  EXPECT_EQ(field<guint64>(stats, "frames", G_TYPE_UINT64), 7U);
  EXPECT_EQ(field<guint64>(stats, "icons", G_TYPE_UINT64), 2U);
  EXPECT_EQ(field<guint64>(stats, "repeated", G_TYPE_UINT64), 0U);
  EXPECT_EQ(field<guint64>(stats, "skipped", G_TYPE_UINT64), 0U);
  EXPECT_EQ(field<guint>(stats, "steps", G_TYPE_UINT), 3U);
  EXPECT_GT(field<guint64>(stats, "render-time", G_TYPE_UINT64), 0U);
  gst_structure_free(stats);
}

}  // namespace
}  // namespace dit::plugin_test
