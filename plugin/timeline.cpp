// SPDX-License-Identifier: MIT
#include "plugin/timeline.h"

namespace dit::plugin {

void FrameClock::set_rate(std::uint64_t frame, int fps_n, int fps_d) {
  if (fps_n == fps_n_ && fps_d == fps_d_) return;
  base_time_ = pts(frame);
  base_frame_ = frame;
  fps_n_ = fps_n;
  fps_d_ = fps_d;
}

GstClockTime FrameClock::pts(std::uint64_t frame) const noexcept {
  if (still()) return base_time_;
  return base_time_ + gst_util_uint64_scale(frame - base_frame_, static_cast<guint64>(fps_d_) * GST_SECOND,
                                            static_cast<guint64>(fps_n_));
}

GstClockTime FrameClock::duration(std::uint64_t frame) const noexcept {
  return still() ? GST_CLOCK_TIME_NONE : pts(frame + 1) - pts(frame);
}

IconSpan IconClock::at(std::uint64_t frame, std::uint64_t frames_per_icon) {
  if (frames_per_icon_ != frames_per_icon) {
    if (frames_per_icon_ != 0) {
      // The frame of a change is the first of an icon, so the division leaves nothing over.
      base_index_ += (frame - base_frame_) / frames_per_icon_;
      base_frame_ = frame;
    }
    frames_per_icon_ = frames_per_icon;
  }
  const std::uint64_t icons = (frame - base_frame_) / frames_per_icon;
  return {base_index_ + icons, base_frame_ + icons * frames_per_icon, frames_per_icon};
}

}  // namespace dit::plugin
