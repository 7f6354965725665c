// SPDX-License-Identifier: MIT
// One ditsrc in a GstHarness, and what comes out of it, as plain values.
#pragma once

#include <gst/check/gstharness.h>
#include <gst/video/video.h>

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace dit::plugin_test {

/// Initialises GStreamer once, with a registry of the build's own and the plugin just built.
void init_gstreamer();

/// Path of a committed model: "tests/golden/tiny.safetensors" (12×8 pixels) and the like.
std::string source_path(const std::string& relative);
inline std::string tiny_model() { return source_path("tests/golden/tiny.safetensors"); }
inline std::string icon_model() { return source_path("models/icons.safetensors"); }

/// Whether a sanitizer watches, which makes an icon take seconds.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool sanitized = true;
#else
constexpr bool sanitized = false;
#endif

/// Resident memory of this process.
std::uint64_t resident_bytes();
/// What this process has allocated and not freed; 0 under sanitizers, whose heap is not glibc's. Unlike resident memory
/// it does not depend on which of its pools malloc serves a thread from.
std::uint64_t allocated_bytes();

/// A buffer, rows without padding.
struct Frame {
  std::vector<std::uint8_t> bytes = {};
  GstClockTime pts = 0, duration = 0;
  std::uint64_t offset = 0, offset_end = 0;
  bool discont = false;
  std::size_t stride = 0;  ///< of the first plane, as it came
};

/// Of the caps that a pad has at present.
GstVideoInfo info_of(GstPad* pad);
/// What a buffer holds, read with the caps of `pad`.
Frame frame_of(GstBuffer* buffer, GstPad* pad);

/// An error or warning from the bus.
struct Report {
  GstMessageType type;
  GQuark domain;
  int code;
  std::string text;
};

using Properties = std::vector<std::pair<std::string, std::string>>;

/// `ditsrc` or `ditfilter` on the tiny model and the CPU unless the properties say otherwise.
GstElement* make_element(const Properties& properties, const char* kind = "ditsrc");
/// Sets properties from text, as gst-launch does.
void set(GstElement* element, const Properties& properties);

/// Errors and warnings on a bus so far, oldest first; element messages go to `structures` as text, if given.
std::vector<Report> drain(GstBus* bus, std::vector<std::string>* structures = nullptr);

class Source {
 public:
  explicit Source(const Properties& properties, const std::string& caps = "video/x-raw,format=RGBA,framerate=10/1");
  ~Source();
  Source(const Source&) = delete;
  Source& operator=(const Source&) = delete;

  GstHarness* harness() const { return harness_; }
  GstElement* element() const { return harness_->element; }
  GstBus* bus() const { return bus_; }
  void play() { gst_harness_play(harness_); }
  /// The next frame; fails the test and returns an empty one if none comes within 20 s.
  Frame pull();
  std::vector<Frame> pull(int count);
  /// True if the stream ends with EOS, without a further frame, within 20 s.
  bool ends();
  GstVideoInfo info() const;

 private:
  GstHarness* harness_;
  GstBus* bus_;
};

/// Plays `count` frames and returns their bytes.
std::vector<std::vector<std::uint8_t>> pictures(const Properties& properties, int count,
                                                const std::string& caps = "video/x-raw,format=RGBA,framerate=10/1");

}  // namespace dit::plugin_test
