// SPDX-License-Identifier: MIT
#include "plugin/source/queries.h"

#include <algorithm>

#include "plugin/source/seek.h"

namespace dit::plugin {
namespace {

bool answer_duration(Element& e, GstQuery* query) {
  GstFormat format = GST_FORMAT_UNDEFINED;
  gst_query_parse_duration(query, &format, nullptr);
  const FrameClock clock = e.frame_clock();
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
  const FrameClock clock = e.frame_clock();
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
  const FrameClock clock = e.frame_clock();
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
    latency = e.latency.told();
  }
  gst_query_set_latency(query, TRUE, latency, GST_CLOCK_TIME_NONE);
  return true;
}

}  // namespace

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
