// SPDX-License-Identifier: MIT
#include "plugin/source/frames/timestamps.h"

#include <algorithm>

namespace dit::plugin {

void FrameClock::set_rate(std::uint64_t frame, int fps_n, int fps_d) {
  if (known_ && fps_n == fps_n_ && fps_d == fps_d_) return;
  base_time_ = pts(frame);
  base_frame_ = frame;
  fps_n_ = fps_n;
  fps_d_ = fps_d;
  known_ = true;
}

void FrameClock::shift(std::uint64_t frame, GstClockTime time) noexcept {
  base_frame_ = frame;
  base_time_ = time;
}

GstClockTime FrameClock::pts(std::uint64_t frame) const noexcept {
  if (still()) return base_time_;
  const auto span = [&](std::uint64_t frames) {
    return gst_util_uint64_scale(frames, static_cast<guint64>(fps_d_) * GST_SECOND, static_cast<guint64>(fps_n_));
  };
  // Before the base lie the frames that backward play comes to after a change of rate.
  if (frame < base_frame_) return base_time_ - std::min(base_time_, span(base_frame_ - frame));
  // The last time there is: frames of years each reach it.
  constexpr GstClockTime last = GST_CLOCK_TIME_NONE - 1;
  return base_time_ + std::min(span(frame - base_frame_), last - std::min(last, base_time_));
}

GstClockTime FrameClock::duration(std::uint64_t frame) const noexcept {
  return still() ? GST_CLOCK_TIME_NONE : pts(frame + 1) - pts(frame);
}

GstClockTime FrameClock::frame_time() const noexcept {
  if (still()) return GST_CLOCK_TIME_NONE;
  return gst_util_uint64_scale(GST_SECOND, static_cast<guint64>(fps_d_), static_cast<guint64>(fps_n_));
}

std::uint64_t FrameClock::frame_at(GstClockTime time) const noexcept {
  if (still() || time <= base_time_) return base_frame_;
  std::uint64_t frame = base_frame_ + gst_util_uint64_scale(time - base_time_, static_cast<guint64>(fps_n_),
                                                            static_cast<guint64>(fps_d_) * GST_SECOND);
  // pts() rounds down, so a frame may begin up to a nanosecond before its exact time.
  for (int more = 0; more < 4 && pts(frame + 1) <= time; ++more) ++frame;
  return frame;
}

}  // namespace dit::plugin
