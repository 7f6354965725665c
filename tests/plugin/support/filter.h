// SPDX-License-Identifier: MIT
// One ditfilter in a GstHarness, and what the engine makes of the same sketch.
#pragma once

#include "tests/plugin/support/source.h"

namespace dit::plugin_test {

using Bytes = std::vector<std::uint8_t>;

inline constexpr int tiny_width = 8, tiny_height = 12;  ///< of the tiny model

/// A smooth picture of width · height · 4 bytes, another for each number; its alpha goes from 0 to 255.
Bytes drawing(unsigned number, int width = tiny_width, int height = tiny_height);

/// The icon that the engine paints, by itself.
struct Wanted {
  std::string prompt = "red fox";
  std::uint64_t seed = 0, index = 0;
  std::uint32_t steps = 4;
  double strength = 0.5;
  bool mask = false;
  std::string model = tiny_model();
};
Bytes painted(const Bytes& sketch, const Wanted& wanted);

class FilterHarness {
 public:
  explicit FilterHarness(const Properties& properties,
                         const std::string& in = "video/x-raw,format=RGBA,width=8,height=12,framerate=10/1",
                         const std::string& out = "video/x-raw,format=RGBA");
  ~FilterHarness();
  FilterHarness(const FilterHarness&) = delete;
  FilterHarness& operator=(const FilterHarness&) = delete;

  GstHarness* harness() const { return harness_; }
  GstElement* element() const { return harness_->element; }
  GstBus* bus() const { return bus_; }

  /// Frame n of the rate in the caps. The harness's pads run in this thread: what is to come out is there afterwards.
  GstFlowReturn push(const Bytes& bytes, unsigned n, GstBufferFlags flags = static_cast<GstBufferFlags>(0));
  static GstBuffer* buffer_of(const Bytes& bytes, unsigned n);
  /// The next buffer that has come out; null if there is none.
  GstBuffer* take() { return gst_harness_try_pull(harness_); }
  /// The same as a value; fails the test if there is none.
  Frame pull();
  std::size_t ready() const { return gst_harness_buffers_in_queue(harness_); }
  guint64 stat(const char* name) const;

 private:
  GstHarness* harness_;
  GstBus* bus_;
};

}  // namespace dit::plugin_test
