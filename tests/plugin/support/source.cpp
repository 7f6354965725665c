// SPDX-License-Identifier: MIT
#include "tests/plugin/support/source.h"

#include <gtest/gtest.h>
#include <malloc.h>
#include <unistd.h>

#include <fstream>
#include <mutex>
#include <stdexcept>

namespace dit::plugin_test {

void init_gstreamer() {
  static std::once_flag once;
  std::call_once(once, [] {
    g_setenv("GST_PLUGIN_PATH", DIT_BUILD_DIR "/plugin", TRUE);
    g_setenv("GST_REGISTRY", DIT_BUILD_DIR "/tests-registry.bin", TRUE);
    // The scanner is a program without the sanitizers' runtime and could not load a plugin that needs it.
    gst_registry_fork_set_enabled(FALSE);
    gst_init(nullptr, nullptr);
    // A property that cannot be installed, a reference too few: GLib says so and goes on, a test must not.
    g_log_set_always_fatal(static_cast<GLogLevelFlags>(G_LOG_FATAL_MASK | G_LOG_LEVEL_CRITICAL));
  });
}

std::string source_path(const std::string& relative) { return std::string(DIT_SOURCE_DIR "/") + relative; }

std::uint64_t resident_bytes() {
  std::ifstream statm("/proc/self/statm");
  std::uint64_t total = 0;
  std::uint64_t resident = 0;
  statm >> total >> resident;
  return resident * static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE));
}

std::uint64_t allocated_bytes() {
  const struct mallinfo2 heap = mallinfo2();
  return heap.uordblks + heap.hblkhd;
}

GstElement* make_element(const Properties& properties, const char* kind) {
  init_gstreamer();
  GstElement* element = gst_element_factory_make(kind, nullptr);
  if (element == nullptr) throw std::runtime_error(std::string("no element ") + kind + " in " DIT_BUILD_DIR "/plugin");
  set(element, {{"model-location", tiny_model()}, {"device", "cpu"}});
  set(element, properties);
  return element;
}

void set(GstElement* element, const Properties& properties) {
  for (const auto& [name, value] : properties) {
    gst_util_set_object_arg(G_OBJECT(element), name.c_str(), value.c_str());
  }
}

std::vector<Report> drain(GstBus* bus, std::vector<std::string>* structures) {
  std::vector<Report> reports;
  while (GstMessage* message = gst_bus_pop(bus)) {
    GError* error = nullptr;
    switch (GST_MESSAGE_TYPE(message)) {
      case GST_MESSAGE_ERROR:
        gst_message_parse_error(message, &error, nullptr);
        break;
      case GST_MESSAGE_WARNING:
        gst_message_parse_warning(message, &error, nullptr);
        break;
      case GST_MESSAGE_ELEMENT:
        if (structures != nullptr) {
          gchar* text = gst_structure_to_string(gst_message_get_structure(message));
          structures->emplace_back(text);
          g_free(text);
        }
        break;
      default:
        break;
    }
    if (error != nullptr) {
      reports.push_back({GST_MESSAGE_TYPE(message), error->domain, error->code, error->message});
      g_error_free(error);
    }
    gst_message_unref(message);
  }
  return reports;
}

Source::Source(const Properties& properties, const std::string& caps) : bus_(nullptr) {
  GstElement* element = make_element(properties);
  bus_ = gst_bus_new();
  gst_element_set_bus(element, bus_);
  harness_ = gst_harness_new_with_element(element, nullptr, "src");
  gst_object_unref(element);
  gst_harness_set_sink_caps_str(harness_, caps.c_str());
}

Source::~Source() {
  gst_element_set_bus(element(), nullptr);
  gst_harness_teardown(harness_);
  gst_object_unref(bus_);
}

GstVideoInfo info_of(GstPad* pad) {
  GstVideoInfo info;
  gst_video_info_init(&info);
  if (GstCaps* caps = gst_pad_get_current_caps(pad)) {
    EXPECT_TRUE(gst_video_info_from_caps(&info, caps));
    gst_caps_unref(caps);
  }
  return info;
}

Frame frame_of(GstBuffer* buffer, GstPad* pad) {
  Frame frame{.pts = GST_BUFFER_PTS(buffer),
              .duration = GST_BUFFER_DURATION(buffer),
              .offset = GST_BUFFER_OFFSET(buffer),
              .offset_end = GST_BUFFER_OFFSET_END(buffer),
              .discont = GST_BUFFER_IS_DISCONT(buffer)};
  const GstVideoInfo format = info_of(pad);
  GstVideoFrame video;
  if (gst_video_frame_map(&video, &format, buffer, GST_MAP_READ)) {
    const auto row = static_cast<std::size_t>(GST_VIDEO_INFO_WIDTH(&format) * GST_VIDEO_INFO_COMP_PSTRIDE(&format, 0));
    const auto* data = static_cast<const std::uint8_t*>(GST_VIDEO_FRAME_PLANE_DATA(&video, 0));
    frame.stride = static_cast<std::size_t>(GST_VIDEO_FRAME_PLANE_STRIDE(&video, 0));
    for (int y = 0; y < GST_VIDEO_INFO_HEIGHT(&format); ++y, data += frame.stride) {
      frame.bytes.insert(frame.bytes.end(), data, data + row);
    }
    gst_video_frame_unmap(&video);
  } else {
    ADD_FAILURE() << "cannot map frame " << frame.offset;
  }
  return frame;
}

GstVideoInfo Source::info() const { return info_of(harness_->sinkpad); }

Frame Source::pull() {
  GstBuffer* buffer = nullptr;
  // The harness's own wait is a minute, too long for a row of frames that never come.
  for (int wait_ms = 0; buffer == nullptr && wait_ms < 20000; ++wait_ms) {
    buffer = gst_harness_try_pull(harness_);
    if (buffer == nullptr) g_usleep(1000);
  }
  if (buffer == nullptr) {
    ADD_FAILURE() << "no frame";
    return {};
  }
  Frame frame = frame_of(buffer, harness_->sinkpad);
  gst_buffer_unref(buffer);
  return frame;
}

std::vector<Frame> Source::pull(int count) {
  std::vector<Frame> frames;
  for (int i = 0; i < count; ++i) frames.push_back(pull());
  return frames;
}

bool Source::ends() {
  const gint64 deadline = g_get_monotonic_time() + 20 * G_TIME_SPAN_SECOND;
  while (g_get_monotonic_time() < deadline) {
    GstEvent* event = gst_harness_try_pull_event(harness_);
    if (event == nullptr) {
      g_usleep(1000);
      continue;
    }
    const bool eos = GST_EVENT_TYPE(event) == GST_EVENT_EOS;
    gst_event_unref(event);
    if (eos) return gst_harness_buffers_in_queue(harness_) == 0;
  }
  return false;
}

std::vector<std::vector<std::uint8_t>> pictures(const Properties& properties, int count, const std::string& caps) {
  Properties all = properties;
  all.emplace_back("num-buffers", std::to_string(count));
  Source source(all, caps);
  source.play();
  std::vector<std::vector<std::uint8_t>> result;
  for (Frame& frame : source.pull(count)) result.push_back(std::move(frame.bytes));
  EXPECT_TRUE(source.ends());
  EXPECT_TRUE(drain(source.bus()).empty());
  return result;
}

}  // namespace dit::plugin_test
