// SPDX-License-Identifier: MIT
#include "plugin/source/seek.h"

#include <algorithm>
#include <cmath>

namespace dit::plugin {

gint64 total_frames(Element& e, const FrameClock& clock) {
  gint buffers = -1;
  g_object_get(e.base, "num-buffers", &buffers, nullptr);
  if (clock.known() && clock.still() && buffers != 0) return 1;
  return buffers;
}

GstClockTime total_time(Element& e, const FrameClock& clock) {
  const gint64 frames = total_frames(e, clock);
  if (frames < 0 || !clock.known() || clock.still()) return GST_CLOCK_TIME_NONE;
  return clock.pts(static_cast<std::uint64_t>(frames));
}

bool seekable(Element& e) {
  const FrameClock clock = e.frame_clock();
  // Before the start the setting counts, as of which the seek will be done.
  const bool live = e.opened() ? gst_base_src_is_live(e.base) != FALSE : e.snapshot()->live;
  return !live && !(clock.known() && clock.still());
}

void note_seek(Element& e, GstEvent* event) {
  gdouble rate = 1;
  GstSeekType type = GST_SEEK_TYPE_NONE;
  gint64 stop = 0;
  gst_event_parse_seek(event, &rate, nullptr, nullptr, nullptr, nullptr, &type, &stop);
  e.seek_from_end = rate < 0 && type == GST_SEEK_TYPE_SET && stop == -1;
}

void go_on(Element& e) {
  GstSegment segment;
  {
    const ObjectLock lock(e.base);
    gst_segment_copy_into(&e.base->segment, &segment);
  }
  constexpr auto flags = static_cast<GstSeekFlags>(GST_SEEK_FLAG_FLUSH);
  // A flush has set running time to 0, which is now the time of the present position.
  gst_segment_do_seek(&segment, segment.rate, segment.format, flags, GST_SEEK_TYPE_NONE, 0, GST_SEEK_TYPE_NONE, 0,
                      nullptr);
  gst_base_src_new_segment(e.base, &segment);
}

bool do_seek(Element& e, GstSegment* segment) {
  const bool reverse = segment->rate < 0;
  // Every seek returns to the plain grid, on which a frame's time depends on its number alone.
  FrameClock grid = e.frame_clock();
  grid.shift(0, 0);
  if (reverse) {
    const GstClockTime end = total_time(e, grid);
    // The base class knows no end, and makes 0 of it.
    const bool from_end = e.seek_from_end && !GST_CLOCK_TIME_IS_VALID(segment->stop) && segment->position == 0;
    if (from_end && !GST_CLOCK_TIME_IS_VALID(end)) {
      GST_WARNING_OBJECT(e.base, "cannot play backwards from the end of an endless stream");
      go_on(e);
      return false;
    }
    if (from_end) segment->position = end;
    if (GST_CLOCK_TIME_IS_VALID(end)) {
      segment->stop = std::max(std::min(segment->stop, end), segment->start);
      segment->position = std::min(segment->position, end);
    }
  }
  segment->time = segment->start;
  const double speed = std::floor(std::abs(segment->rate));
  const bool skip = (segment->flags & GST_SEGMENT_FLAG_SKIP) != 0 && speed >= 2;
  constexpr double most_skipped = 1U << 31;
  const bool nothing = reverse && segment->position <= segment->start;
  e.seek = {segment->position, nothing, reverse, skip ? static_cast<std::uint64_t>(std::min(speed, most_skipped)) : 1};
  e.seek_pending = true;
  // The base class counts frames across seeks; the exact number is set when the frame is known.
  e.base->num_buffers_left = e.base->num_buffers;
  return true;
}

bool settle_seek(Element& e) {
  Position& p = e.position;
  if (!e.seek_pending) return !p.ended;
  e.seek_pending = false;
  p = {.next = 0, .stride = e.seek.stride, .reverse = e.seek.reverse, .ended = false};
  {
    const ObjectLock lock(e.base);
    e.clock.shift(0, 0);
  }
  e.grid_started = false;
  if (e.stream) {
    const std::lock_guard lock(e.painting);
    e.stream->forget_position();
  }
  if (e.clock.still()) return true;
  p.ended = e.seek.nothing && e.clock.pts(e.clock.frame_at(e.seek.time)) >= e.seek.time;
  if (p.ended) return false;
  // Backwards, the first frame is the last one that starts before the position.
  p.next = e.clock.frame_at(p.reverse ? e.seek.time - 1 : e.seek.time);
  const gint64 total = total_frames(e, e.clock);
  if (total < 0) return true;
  const auto frames = static_cast<std::uint64_t>(total);
  if (p.reverse && p.next >= frames) p.next = frames > 0 ? frames - 1 : 0;
  const std::uint64_t remaining = p.reverse ? p.next + 1 : frames - std::min(frames, p.next);
  const std::uint64_t strides = frames == 0 ? 0 : (remaining + p.stride - 1) / p.stride;
  p.ended = strides == 0;
  // The base class has counted the frame that is about to be painted.
  e.base->num_buffers_left = static_cast<gint>(strides > 0 ? strides - 1 : 0);
  return !p.ended;
}

}  // namespace dit::plugin
