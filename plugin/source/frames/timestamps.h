// SPDX-License-Identifier: MIT
// Frame number -> timestamp. Everything is computed from the number, nothing is accumulated.
#pragma once

#include <gst/gst.h>

#include <cstdint>

namespace dit::plugin {

/// Timestamps: frame n is at n · fps_d / fps_n seconds after the base, rounded once.
class FrameClock {
 public:
  /// A new rate from frame `frame` on, which keeps its old time. 0/1 is a still: one frame without a duration.
  void set_rate(std::uint64_t frame, int fps_n, int fps_d);
  /// From frame `frame` on the grid of the present rate starts at `time`; (0, 0) is the plain grid again.
  void shift(std::uint64_t frame, GstClockTime time) noexcept;

  bool known() const noexcept { return known_; }
  bool still() const noexcept { return fps_n_ == 0; }
  /// A still has shown its one frame.
  bool ended(std::uint64_t frame) const noexcept { return still() && frame > base_frame_; }
  GstClockTime pts(std::uint64_t frame) const noexcept;
  /// GST_CLOCK_TIME_NONE for a still.
  GstClockTime duration(std::uint64_t frame) const noexcept;
  /// Of one frame at the present rate; GST_CLOCK_TIME_NONE for a still.
  GstClockTime frame_time() const noexcept;
  /// The frame on show at that time: the last one with pts ≤ time. The base frame for a still and for times before it.
  std::uint64_t frame_at(GstClockTime time) const noexcept;

 private:
  bool known_ = false;
  int fps_n_ = 0;
  int fps_d_ = 1;
  std::uint64_t base_frame_ = 0;
  GstClockTime base_time_ = 0;
};

}  // namespace dit::plugin
