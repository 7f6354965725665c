// SPDX-License-Identifier: MIT
#include "plugin/source/seek.h"

#include <algorithm>
#include <cmath>

namespace dit::plugin {
namespace {

FrameClock clock_of(Element& e) {
  const ObjectLock lock(e.base);
  return e.clock;
}

/// The stream's length in frames, or -1 if it has none: num-buffers, and one for a still.
gint64 total_frames(Element& e, const FrameClock& clock) {
  gint buffers = -1;
  g_object_get(e.base, "num-buffers", &buffers, nullptr);
  if (clock.known() && clock.still() && buffers != 0) return 1;
  return buffers;
}

/// Time at which the stream ends, or GST_CLOCK_TIME_NONE.
GstClockTime total_time(Element& e, const FrameClock& clock) {
  const gint64 frames = total_frames(e, clock);
  if (frames < 0 || !clock.known() || clock.still()) return GST_CLOCK_TIME_NONE;
  return clock.pts(static_cast<std::uint64_t>(frames));
}

bool answer_duration(Element& e, GstQuery* query) {
  GstFormat format = GST_FORMAT_UNDEFINED;
  gst_query_parse_duration(query, &format, nullptr);
  const FrameClock clock = clock_of(e);
  const gint64 frames = total_frames(e, clock);
  if (format == GST_FORMAT_DEFAULT && frames >= 0) {
    gst_query_set_duration(query, format, frames);
    return true;
  }
  const GstClockTime time = total_time(e, clock);
  if (format != GST_FORMAT_TIME || !GST_CLOCK_TIME_IS_VALID(time)) return false;
  gst_query_set_duration(query, format, static_cast<gint64>(time));
  return true;
}

/// TIME and DEFAULT (frames) both ways; -1 stays -1.
bool answer_convert(Element& e, GstQuery* query) {
  GstFormat from = GST_FORMAT_UNDEFINED;
  GstFormat to = GST_FORMAT_UNDEFINED;
  gint64 value = 0;
  gst_query_parse_convert(query, &from, &value, &to, nullptr);
  const FrameClock clock = clock_of(e);
  if (from == to || value == -1) {
    gst_query_set_convert(query, from, value, to, value);
    return true;
  }
  if (value < 0 || !clock.known() || clock.still()) return false;
  if (from == GST_FORMAT_TIME && to == GST_FORMAT_DEFAULT) {
    gst_query_set_convert(query, from, value, to,
                          static_cast<gint64>(clock.frame_at(static_cast<GstClockTime>(value))));
    return true;
  }
  if (from == GST_FORMAT_DEFAULT && to == GST_FORMAT_TIME) {
    const GstClockTime time = clock.pts(static_cast<std::uint64_t>(value));
    gst_query_set_convert(query, from, value, to, static_cast<gint64>(std::min<GstClockTime>(time, G_MAXINT64)));
    return true;
  }
  return false;
}

bool answer_seeking(Element& e, GstQuery* query) {
  GstFormat format = GST_FORMAT_UNDEFINED;
  gst_query_parse_seeking(query, &format, nullptr, nullptr, nullptr);
  const FrameClock clock = clock_of(e);
  if (format == GST_FORMAT_DEFAULT) {
    gst_query_set_seeking(query, format, seekable(e) && clock.known(), 0, total_frames(e, clock));
    return true;
  }
  if (format != GST_FORMAT_TIME) return false;
  const GstClockTime end = total_time(e, clock);
  gst_query_set_seeking(query, format, seekable(e), 0, GST_CLOCK_TIME_IS_VALID(end) ? static_cast<gint64>(end) : -1);
  return true;
}

bool answer_latency(Element& e, GstQuery* query) {
  if (!gst_base_src_is_live(e.base)) return false;
  GstClockTime latency = 0;
  {
    const ObjectLock lock(e.base);
    latency = e.latency;
  }
  gst_query_set_latency(query, TRUE, latency, GST_CLOCK_TIME_NONE);
  return true;
}

}  // namespace

bool seekable(Element& e) {
  const FrameClock clock = clock_of(e);
  // Before the start the setting counts, as of which the seek will be done.
  const bool live = e.opened() ? gst_base_src_is_live(e.base) != FALSE : e.snapshot()->live;
  return !live && !(clock.known() && clock.still());
}

bool do_seek(Element& e, GstSegment* segment) {
  const bool reverse = segment->rate < 0;
  // Every seek returns to the plain grid, on which a frame's time depends on its number alone.
  FrameClock grid = clock_of(e);
  grid.shift(0, 0);
  if (reverse) {
    const GstClockTime end = total_time(e, grid);
    if (GST_CLOCK_TIME_IS_VALID(end) && (!GST_CLOCK_TIME_IS_VALID(segment->stop) || segment->stop > end)) {
      segment->stop = end;
    }
    if (!GST_CLOCK_TIME_IS_VALID(segment->stop) || segment->stop <= segment->start) {
      GST_WARNING_OBJECT(e.base, "cannot play backwards from %" GST_TIME_FORMAT " to %" GST_TIME_FORMAT,
                         GST_TIME_ARGS(segment->stop), GST_TIME_ARGS(segment->start));
      return false;
    }
    segment->position = segment->stop;
  } else {
    segment->position = segment->start;
  }
  segment->time = segment->start;
  const double speed = std::floor(std::abs(segment->rate));
  const bool skip = (segment->flags & GST_SEGMENT_FLAG_SKIP) != 0 && speed >= 2;
  e.seek = {segment->position, reverse, skip ? static_cast<std::uint64_t>(speed) : 1};
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
  // Backwards, the first frame is the last one that starts before the stop.
  p.next = e.clock.frame_at(p.reverse ? e.seek.time - 1 : e.seek.time);
  const gint64 total = total_frames(e, e.clock);
  if (total < 0) return true;
  const auto frames = static_cast<std::uint64_t>(total);
  if (p.reverse && p.next >= frames) p.next = frames > 0 ? frames - 1 : 0;
  const std::uint64_t left = p.reverse ? p.next + 1 : frames - std::min(frames, p.next);
  const std::uint64_t strides = frames == 0 ? 0 : (left + p.stride - 1) / p.stride;
  p.ended = strides == 0;
  // The base class has counted the frame that is about to be painted.
  e.base->num_buffers_left = static_cast<gint>(strides > 0 ? strides - 1 : 0);
  return !p.ended;
}

bool answer(Element& e, GstQuery* query) {
  switch (GST_QUERY_TYPE(query)) {
    case GST_QUERY_DURATION:
      return answer_duration(e, query);
    case GST_QUERY_CONVERT:
      return answer_convert(e, query);
    case GST_QUERY_SEEKING:
      return answer_seeking(e, query);
    case GST_QUERY_LATENCY:
      return answer_latency(e, query);
    default:
      return false;
  }
}

}  // namespace dit::plugin
