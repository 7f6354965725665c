// SPDX-License-Identifier: MIT
#include "tests/plugin/support/filter.h"

#include <gtest/gtest.h>

#include "engine/session/session.h"

namespace dit::plugin_test {

Bytes drawing(unsigned number, int width, int height) {
  Bytes bytes;
  for (int y = 0; y < height; ++y) {
    for (int x = 0; x < width; ++x) {
      const unsigned across = static_cast<unsigned>(255 * x / (width - 1));
      const unsigned down = static_cast<unsigned>(255 * y / (height - 1));
      bytes.push_back(static_cast<std::uint8_t>(across + 40 * number));
      bytes.push_back(static_cast<std::uint8_t>(down + 90 * number));
      bytes.push_back(static_cast<std::uint8_t>(across / 2 + down / 2));
      bytes.push_back(static_cast<std::uint8_t>(down));
    }
  }
  return bytes;
}

Bytes painted(const Bytes& sketch, const Wanted& wanted) {
  const auto session = Session::open({.model = wanted.model, .device = "cpu"});
  Bytes mask;
  for (std::size_t i = 3; wanted.mask && i < sketch.size(); i += 4) {
    mask.push_back(static_cast<std::uint8_t>(255 - sketch[i]));
  }
  const IconKey key = {wanted.seed, wanted.index};
  const IconPoint point = {
      .from = key, .toward = key, .sketch = {.rgba = sketch, .mask = mask, .strength = wanted.strength}};
  IconSettings settings;
  settings.prompt = wanted.prompt;
  settings.steps = wanted.steps;
  session->begin(settings, std::span(&point, 1));
  session->advance(session->steps());
  Bytes icon(sketch.size());
  session->read(0, icon);
  return icon;
}

FilterHarness::FilterHarness(const Properties& properties, const std::string& in, const std::string& out)
    : harness_(nullptr), bus_((init_gstreamer(), gst_bus_new())) {
  GstElement* element = make_element(properties, "ditfilter");
  gst_element_set_bus(element, bus_);
  harness_ = gst_harness_new_with_element(element, "sink", "src");
  gst_object_unref(element);
  gst_harness_set_sink_caps_str(harness_, out.c_str());
  if (!in.empty()) gst_harness_set_src_caps_str(harness_, in.c_str());
}

FilterHarness::~FilterHarness() {
  gst_element_set_bus(element(), nullptr);
  gst_harness_teardown(harness_);
  gst_object_unref(bus_);
}

GstBuffer* FilterHarness::buffer_of(const Bytes& bytes, unsigned n) {
  GstBuffer* buffer = gst_buffer_new_memdup(bytes.data(), bytes.size());
  GST_BUFFER_PTS(buffer) = n * GST_SECOND / 10;
  GST_BUFFER_DURATION(buffer) = GST_SECOND / 10;
  GST_BUFFER_OFFSET(buffer) = n;
  GST_BUFFER_OFFSET_END(buffer) = n + 1;
  return buffer;
}

GstFlowReturn FilterHarness::push(const Bytes& bytes, unsigned n, GstBufferFlags flags) {
  GstBuffer* buffer = buffer_of(bytes, n);
  GST_BUFFER_FLAG_SET(buffer, flags);
  return gst_harness_push(harness_, buffer);
}

Frame FilterHarness::pull() {
  GstBuffer* buffer = take();
  if (buffer == nullptr) {
    ADD_FAILURE() << "no frame";
    return {};
  }
  Frame frame = frame_of(buffer, harness_->sinkpad);
  gst_buffer_unref(buffer);
  return frame;
}

guint64 FilterHarness::stat(const char* name) const {
  GstStructure* stats = nullptr;
  g_object_get(element(), "stats", &stats, nullptr);
  guint64 value = 0;
  EXPECT_TRUE(gst_structure_get_uint64(stats, name, &value)) << name;
  gst_structure_free(stats);
  return value;
}

}  // namespace dit::plugin_test
