// SPDX-License-Identifier: MIT
// The shipped model through whole pipelines, in this process and in gst-launch-1.0.
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "tests/plugin/support/source.h"

namespace dit::plugin_test {
namespace {

TEST(DitSrcLaunch, AGreenHeartWithTransparentCorners) {
  const auto picture = pictures({{"model-location", icon_model()},
                                 {"prompt", "green heart"},
                                 {"style", "fluent-emoji"},
                                 {"seed", "1"},
                                 {"steps", "8"}},
                                1)[0];
  ASSERT_EQ(picture.size(), 64U * 64 * 4);
  const auto at = [&](std::size_t x, std::size_t y) { return &picture[(y * 64 + x) * 4]; };
  for (const auto& [x, y] : {std::pair{0, 0}, {63, 0}, {0, 63}, {63, 63}}) {
    EXPECT_LT(at(static_cast<std::size_t>(x), static_cast<std::size_t>(y))[3], 16) << x << ',' << y;
  }
  int green = 0;
  for (std::size_t y = 24; y < 40; ++y) {
    for (std::size_t x = 24; x < 40; ++x) {
      const std::uint8_t* p = at(x, y);
      if (p[3] > 240 && p[1] > p[0] + 40 && p[1] > p[2] + 20) ++green;
    }
  }
  EXPECT_GT(green, 16 * 16 * 9 / 10) << "the middle of the icon is not green";
}

TEST(DitSrcLaunch, CapsFilterAndElementNameWorkInADescription) {
  init_gstreamer();
  GError* error = nullptr;
  const std::string line = "ditsrc name=painter model-location=" + tiny_model() +
                           " device=cpu prompt=fox num-buffers=3 ! video/x-raw,format=BGRx,framerate=2/1 ! fakesink";
  GstElement* pipeline = gst_parse_launch(line.c_str(), &error);
  ASSERT_EQ(error, nullptr) << error->message;
  GstElement* painter = gst_bin_get_by_name(GST_BIN(pipeline), "painter");
  ASSERT_NE(painter, nullptr);
  gst_object_unref(painter);
  gst_element_set_state(pipeline, GST_STATE_PLAYING);
  GstBus* bus = gst_element_get_bus(pipeline);
  GstMessage* message = gst_bus_timed_pop_filtered(bus, 30 * GST_SECOND,
                                                   static_cast<GstMessageType>(GST_MESSAGE_EOS | GST_MESSAGE_ERROR));
  ASSERT_NE(message, nullptr);
  EXPECT_EQ(GST_MESSAGE_TYPE(message), GST_MESSAGE_EOS);
  gst_message_unref(message);
  gst_object_unref(bus);
  gst_element_set_state(pipeline, GST_STATE_NULL);
  gst_object_unref(pipeline);
}

TEST(DitSrcLaunch, TheDefaultModelIsFoundFromThePluginsPlace) {
  init_gstreamer();
  g_unsetenv("DIT_MODEL");
  GstElement* element = gst_element_factory_make("ditsrc", nullptr);
  ASSERT_NE(element, nullptr);
  GstBus* bus = gst_bus_new();
  gst_element_set_bus(element, bus);
  set(element, {{"device", "cpu"}});
  EXPECT_NE(gst_element_set_state(element, GST_STATE_PAUSED), GST_STATE_CHANGE_FAILURE);
  std::vector<std::string> texts;
  EXPECT_TRUE(drain(bus, &texts).empty());
  ASSERT_FALSE(texts.empty());
  EXPECT_NE(texts[0].find("icons.safetensors"), std::string::npos) << texts[0];
  gst_element_set_state(element, GST_STATE_READY);
  // The environment comes before it.
  g_setenv("DIT_MODEL", tiny_model().c_str(), TRUE);
  EXPECT_NE(gst_element_set_state(element, GST_STATE_PAUSED), GST_STATE_CHANGE_FAILURE);
  g_unsetenv("DIT_MODEL");
  texts.clear();
  drain(bus, &texts);
  ASSERT_FALSE(texts.empty());
  EXPECT_NE(texts[0].find("tiny.safetensors"), std::string::npos) << texts[0];
  gst_element_set_state(element, GST_STATE_NULL);
  gst_element_set_bus(element, nullptr);
  gst_object_unref(bus);
  gst_object_unref(element);
}

TEST(DitSrcLaunch, GstLaunchWritesPngFiles) {
#ifdef __SANITIZE_ADDRESS__
  GTEST_SKIP() << "gst-launch-1.0 has no sanitizer runtime, so it cannot load a plugin that needs one";
#endif
  init_gstreamer();
  const std::filesystem::path folder = std::filesystem::path(DIT_BUILD_DIR) / "plugin-test-launch";
  std::filesystem::remove_all(folder);
  std::filesystem::create_directory(folder);
  const std::string command = "gst-launch-1.0 -q ditsrc model-location=" + icon_model() +
                              " device=cpu prompt='green heart' style=fluent-emoji seed=1 steps=3 num-buffers=2 ! "
                              "video/x-raw,framerate=2/1 ! pngenc ! multifilesink location=" +
                              (folder / "h%d.png").string();
  ASSERT_EQ(std::system(command.c_str()), 0) << command;
  std::vector<std::string> files;
  for (const char* name : {"h0.png", "h1.png"}) {
    std::ifstream file(folder / name, std::ios::binary);
    files.emplace_back(std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>());
    ASSERT_GT(files.back().size(), 100U) << name;
    EXPECT_EQ(files.back().substr(0, 8), "\x89PNG\r\n\x1a\n");
    // IHDR: width and height as big-endian words, 8 bits a channel, colour type 6 = RGBA.
    EXPECT_EQ(files.back().substr(16, 10), std::string("\0\0\0\x40\0\0\0\x40\x08\x06", 10)) << name;
  }
  EXPECT_NE(files[0], files[1]);
  EXPECT_FALSE(std::filesystem::exists(folder / "h2.png"));
  std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace dit::plugin_test
