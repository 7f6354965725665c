// SPDX-License-Identifier: MIT
// Icons as bytes in a C++ program: takes frames from an appsink and prints each one in the terminal's colours.
//   build/appsink [PROMPT [COUNT]]
#include <gst/app/gstappsink.h>
#include <gst/gst.h>
#include <gst/video/video.h>

#include <charconv>
#include <climits>
#include <cstdio>
#include <cstring>
#include <string>

namespace {

/// Two rows of pixels become one of text: the upper half block in the upper pixel's colour, on the lower one's.
void print(const GstVideoFrame& frame) {
  const auto* data = static_cast<const unsigned char*>(GST_VIDEO_FRAME_PLANE_DATA(&frame, 0));
  const int stride = GST_VIDEO_FRAME_PLANE_STRIDE(&frame, 0);
  for (int y = 0; y + 1 < GST_VIDEO_FRAME_HEIGHT(&frame); y += 2) {
    for (int x = 0; x < GST_VIDEO_FRAME_WIDTH(&frame); ++x) {
      const unsigned char* upper = data + y * stride + x * 3;
      const unsigned char* lower = upper + stride;
      std::printf("\x1b[38;2;%d;%d;%dm\x1b[48;2;%d;%d;%dm\u2580", upper[0], upper[1], upper[2], lower[0], lower[1],
                  lower[2]);
    }
    std::puts("\x1b[0m");
  }
}

/// The pipeline's first error, printed; true if there was one.
bool failed(GstElement* pipeline) {
  GstBus* bus = gst_element_get_bus(pipeline);
  GstMessage* message = gst_bus_pop_filtered(bus, GST_MESSAGE_ERROR);
  gst_object_unref(bus);
  if (message == nullptr) return false;
  GError* error = nullptr;
  gst_message_parse_error(message, &error, nullptr);
  std::fprintf(stderr, "appsink: %s\n", error->message);
  g_error_free(error);
  gst_message_unref(message);
  return true;
}

}  // namespace

int main(int argc, char** argv) {
  gst_init(nullptr, nullptr);  // whose options could load a library
  int count = 1;
  if (argc > 3) {
    std::fprintf(stderr, "appsink: PROMPT COUNT: expected no more, found %d arguments\n", argc - 1);
    return 2;
  }
  if (argc > 2) {
    const char* end = argv[2] + std::strlen(argv[2]);
    const auto [at, wrong] = std::from_chars(argv[2], end, count);
    if (wrong != std::errc() || at != end || count < 1) {
      std::fprintf(stderr, "appsink: COUNT: expected a whole number from 1 to %d\n", INT_MAX);
      return 2;
    }
  }
  GError* error = nullptr;
  // RGB: the element composes the icon over `background`, here a dark terminal's.
  GstElement* pipeline = gst_parse_launch(
      "ditsrc name=paint style=fluent-emoji seed=1 background=0x101010 ! video/x-raw,format=RGB ! "
      "appsink name=out sync=false max-buffers=2",
      &error);
  if (error != nullptr) {
    std::fprintf(stderr, "appsink: %s\n", error->message);
    return 1;
  }
  GstElement* paint = gst_bin_get_by_name(GST_BIN(pipeline), "paint");
  g_object_set(paint, "prompt", argc > 1 ? argv[1] : "rocket", "num-buffers", count, nullptr);
  gst_object_unref(paint);

  GstElement* out = gst_bin_get_by_name(GST_BIN(pipeline), "out");
  gst_element_set_state(pipeline, GST_STATE_PLAYING);
  int frames = 0;
  bool error_seen = false;
  // A pipeline that cannot start sends neither a frame nor an end, so waiting has to look at the bus now and then.
  while (!error_seen && !gst_app_sink_is_eos(GST_APP_SINK(out))) {
    GstSample* sample = gst_app_sink_try_pull_sample(GST_APP_SINK(out), 100 * GST_MSECOND);
    if (sample == nullptr) {
      error_seen = failed(pipeline);
      continue;
    }
    GstVideoInfo info;
    GstVideoFrame frame;
    if (gst_video_info_from_caps(&info, gst_sample_get_caps(sample)) &&
        gst_video_frame_map(&frame, &info, gst_sample_get_buffer(sample), GST_MAP_READ)) {
      print(frame);
      gst_video_frame_unmap(&frame);
      ++frames;
    }
    gst_sample_unref(sample);
  }
  std::fprintf(stderr, "%d frames\n", frames);
  gst_element_set_state(pipeline, GST_STATE_NULL);
  gst_object_unref(out);
  gst_object_unref(pipeline);
  if (std::fflush(stdout) != 0 || std::ferror(stdout) != 0) {
    std::perror("appsink: cannot write to standard output");
    return 1;
  }
  return error_seen ? 1 : 0;
}
