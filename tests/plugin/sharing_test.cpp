// SPDX-License-Identifier: MIT
// One engine for all elements of a process that ask for the same, kept over state changes.
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <thread>

#include "tests/plugin/support/filter.h"
#include "tests/plugin/support/process.h"

namespace dit::plugin_test {
namespace {

/// How often a file is open once that is as often as expected: an open model keeps its own.
std::size_t kept_open(const std::filesystem::path& file, std::size_t expected) {
  return settled([&] { return times_open(file); }, [&](std::size_t count) { return count == expected; });
}

/// A copy of the tiny model that nobody else has open.
class OwnModel {
 public:
  explicit OwnModel(const std::string& name)
      : path_(std::filesystem::weakly_canonical(std::filesystem::path(DIT_BUILD_DIR) /
                                                ("plugin-test-" + std::to_string(getpid()) + "-" + name))) {
    std::filesystem::copy_file(tiny_model(), path_, std::filesystem::copy_options::overwrite_existing);
  }
  ~OwnModel() { std::filesystem::remove(path_); }
  std::filesystem::path path() const { return path_; }

 private:
  std::filesystem::path path_;
};

TEST(DitSrcSharing, StateCyclesDoNotReload) {
  const OwnModel model("kept.safetensors");
  GstElement* element = make_element({{"model-location", model.path().string()}});
  EXPECT_EQ(kept_open(model.path(), 0), 0u);
  for (int i = 0; i < 3; ++i) {
    EXPECT_NE(gst_element_set_state(element, GST_STATE_PAUSED), GST_STATE_CHANGE_FAILURE);
    EXPECT_EQ(kept_open(model.path(), 1), 1u);
    gst_element_set_state(element, i % 2 == 0 ? GST_STATE_READY : GST_STATE_NULL);
    EXPECT_EQ(kept_open(model.path(), 1), 1u) << "kept for the next start";
  }
  set(element, {{"model-location", tiny_model()}});
  EXPECT_NE(gst_element_set_state(element, GST_STATE_PAUSED), GST_STATE_CHANGE_FAILURE);
  EXPECT_EQ(kept_open(model.path(), 0), 0u) << "another model takes its place";
  gst_element_set_state(element, GST_STATE_NULL);
  gst_object_unref(element);
}

TEST(DitSrcSharing, AMosaicOfSixteenOpensOneEngine) {
  init_gstreamer();
  const OwnModel model("mosaic.safetensors");
  std::string line = "compositor name=mosaic background=transparent";
  for (int i = 0; i < 16; ++i) {
    line += " sink_" + std::to_string(i) + "::xpos=" + std::to_string(i % 4 * 8) + " sink_" + std::to_string(i) +
            "::ypos=" + std::to_string(i / 4 * 12);
  }
  line += " ! video/x-raw,format=RGBA,width=32,height=48,framerate=10/1 ! fakesink name=sink";
  for (int i = 0; i < 16; ++i) {
    line += " ditsrc device=cpu num-buffers=3 seed=" + std::to_string(i) + " model-location=" + model.path().string() +
            " ! video/x-raw,format=RGBA,framerate=10/1 ! mosaic.sink_" + std::to_string(i);
  }
  GError* error = nullptr;
  GstElement* pipeline = gst_parse_launch(line.c_str(), &error);
  ASSERT_EQ(error, nullptr) << error->message;
  GstElement* sink = gst_bin_get_by_name(GST_BIN(pipeline), "sink");
  EXPECT_NE(gst_element_set_state(pipeline, GST_STATE_PAUSED), GST_STATE_CHANGE_FAILURE);
  EXPECT_EQ(gst_element_get_state(pipeline, nullptr, nullptr, 30 * GST_SECOND), GST_STATE_CHANGE_SUCCESS);
  EXPECT_EQ(kept_open(model.path(), 1), 1u) << "sixteen elements, one engine";
  // Every tile is the icon that its own seed gives.
  GstSample* sample = nullptr;
  g_object_get(sink, "last-sample", &sample, nullptr);
  ASSERT_NE(sample, nullptr);
  GstPad* pad = gst_element_get_static_pad(sink, "sink");
  const Frame mosaic = frame_of(gst_sample_get_buffer(sample), pad);
  gst_sample_unref(sample);
  gst_object_unref(pad);
  for (std::size_t i = 0; i < 16; ++i) {
    const auto icon = pictures({{"seed", std::to_string(i)}}, 1)[0];
    std::size_t opaque = 0;
    for (std::size_t p = 0; p < 96; ++p) {
      const std::uint8_t* own = &icon[p * 4];
      const std::uint8_t* tile = &mosaic.bytes[((i / 4 * 12 + p / 8) * 32 + i % 4 * 8 + p % 8) * 4];
      if (own[3] != 255) continue;  // blending may round the others
      ++opaque;
      EXPECT_TRUE(std::equal(own, own + 4, tile)) << "tile " << i << " pixel " << p;
    }
    EXPECT_GT(opaque, 0U) << i;
  }
  gst_element_set_state(pipeline, GST_STATE_PLAYING);
  GstMessage* end = gst_bus_timed_pop_filtered(GST_ELEMENT_BUS(pipeline), 30 * GST_SECOND,
                                               static_cast<GstMessageType>(GST_MESSAGE_EOS | GST_MESSAGE_ERROR));
  ASSERT_NE(end, nullptr);
  EXPECT_EQ(GST_MESSAGE_TYPE(end), GST_MESSAGE_EOS);
  gst_message_unref(end);
  gst_element_set_state(pipeline, GST_STATE_NULL);
  gst_object_unref(sink);
  gst_object_unref(pipeline);
  EXPECT_EQ(kept_open(model.path(), 0), 0u) << "the last element closes it";
}

TEST(DitSrcSharing, SourcesAndFiltersShareOne) {
  const OwnModel model("kinds.safetensors");
  const Properties properties = {{"model-location", model.path().string()}, {"prompt", "red fox"}, {"steps", "4"}};
  GstElement* source = make_element(properties);
  GstElement* filters[] = {make_element(properties, "ditfilter"), make_element(properties, "ditfilter")};
  gst_object_ref_sink(source);
  EXPECT_NE(gst_element_set_state(source, GST_STATE_PAUSED), GST_STATE_CHANGE_FAILURE);
  for (GstElement* filter : filters) {
    gst_object_ref_sink(filter);
    EXPECT_NE(gst_element_set_state(filter, GST_STATE_PAUSED), GST_STATE_CHANGE_FAILURE);
    EXPECT_EQ(kept_open(model.path(), 1), 1u);
  }
  gst_element_set_state(source, GST_STATE_NULL);
  gst_object_unref(source);
  EXPECT_EQ(kept_open(model.path(), 1), 1u) << "the filters still have it";
  for (GstElement* filter : filters) {
    gst_element_set_state(filter, GST_STATE_NULL);
    gst_object_unref(filter);
  }
  EXPECT_EQ(kept_open(model.path(), 0), 0u);
}

/// Two filters at once, a step each in turn, paint what each would alone.
TEST(DitSrcSharing, FiltersSideBySidePaintTheirOwn) {
  FilterHarness fox(Properties{{"prompt", "red fox"}, {"steps", "9"}, {"strength", "0.5"}});
  FilterHarness tree(Properties{{"prompt", "green tree"}, {"steps", "9"}, {"strength", "1"}});
  const auto play = [](FilterHarness& filter) {
    for (unsigned n = 0; n < 20; ++n) EXPECT_EQ(filter.push(drawing(n % 3), n), GST_FLOW_OK);
  };
  std::thread other([&] { play(tree); });
  play(fox);
  other.join();
  for (unsigned n = 0; n < 20; ++n) {
    EXPECT_EQ(fox.pull().bytes, painted(drawing(n % 3), {.steps = 9})) << n;
    EXPECT_EQ(tree.pull().bytes, painted(drawing(n % 3), {.prompt = "green tree", .steps = 9, .strength = 1})) << n;
  }
}

}  // namespace
}  // namespace dit::plugin_test
