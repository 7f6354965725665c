// SPDX-License-Identifier: MIT
#include "plugin/source/fill.h"

#include "plugin/source/live.h"
#include "plugin/source/seek.h"
#include "plugin/source/stream/frame.h"
#include "plugin/source/stream/messages.h"

namespace dit::plugin {
namespace {

/// The picture of the next frame, painted now.
GstFlowReturn fill_directly(Element& e, Stream& stream, GstBuffer* buffer) {
  const std::uint64_t n = e.position.next;
  const std::lock_guard lock(e.painting);
  const Picture picture = paint(e, stream, n, e.clock.pts(n), false);
  return write(e, n, picture.rgba, picture.caption, false, buffer);
}

void advance(Position& p) {
  if (!p.reverse) {
    p.next += p.stride;
  } else if (p.next >= p.stride) {
    p.next -= p.stride;
  } else {
    p.ended = true;
  }
}

void count(Element& e, const Caption& caption, bool repeated) {
  const ObjectLock lock(e.base);
  ++e.stats.frames;
  if (repeated) ++e.stats.repeated;
  if (repeated || !caption.finished) return;
  ++e.stats.icons;
  e.stats.last_render_ns = static_cast<guint64>(caption.render_time.count());
  e.stats.render_ns += e.stats.last_render_ns;
  e.stats.steps = caption.steps;
}

}  // namespace

Picture paint(Element& e, Stream& stream, std::uint64_t n, GstClockTime time, bool live) {
  if (stream.wants_settings(n)) {
    if (GST_CLOCK_TIME_IS_VALID(time)) gst_object_sync_values(GST_OBJECT(e.base), time);
    const Snapshot settings = e.snapshot();
    FrameClock clock;
    {
      const ObjectLock lock(e.base);
      clock = e.clock;
    }
    const bool still = clock.still();
    const std::uint32_t wanted =
        settings->steps > 0 ? settings->steps : stream.session().model().config().default_steps;
    const std::uint32_t steps = e.governor.steps(*settings, wanted, clock.frame_time(), live);
    const bool was_less = stream.steps() < stream.wanted_steps();
    const bool is_less = steps < wanted;
    const bool news = is_less != was_less || (is_less && steps != stream.steps());
    const std::string unknown =
        stream.take_settings(n, settings, {.still = still, .reverse = !live && e.seek.reverse, .steps_limit = steps});
    if (!unknown.empty()) warn_of_words(e.element(), unknown);
    if (news) post_quality(e, time, live, steps, wanted);
  }
  Picture picture = stream.paint(n);
  e.governor.painted(picture.caption);
  return picture;
}

GstFlowReturn write(Element& e, std::uint64_t n, std::span<const std::uint8_t> rgba, const Caption& caption,
                    bool repeated, GstBuffer* buffer) {
  GstVideoFrame frame;
  if (!gst_video_frame_map(&frame, &e.info, buffer, GST_MAP_WRITE)) {
    error_no_map(e.element(), gst_buffer_get_size(buffer), n);
    return GST_FLOW_ERROR;
  }
  write_picture(rgba, static_cast<std::uint32_t>(e.width), caption.settings->background, frame);
  gst_video_frame_unmap(&frame);

  const Position& p = e.position;
  GST_BUFFER_PTS(buffer) = e.clock.pts(n);
  GST_BUFFER_DTS(buffer) = GST_CLOCK_TIME_NONE;
  GST_BUFFER_DURATION(buffer) = e.clock.still() ? GST_CLOCK_TIME_NONE : e.clock.pts(n + p.stride) - e.clock.pts(n);
  GST_BUFFER_OFFSET(buffer) = n;
  GST_BUFFER_OFFSET_END(buffer) = n + p.stride;
  if (e.discont) GST_BUFFER_FLAG_SET(buffer, GST_BUFFER_FLAG_DISCONT);
  e.discont = false;
  if (e.origin.model.empty() && e.model_hash.valid()) e.origin.model = e.model_hash.get();
  add_meta(buffer, caption, e.origin, repeated || caption.held);
  GST_LOG_OBJECT(e.base, "frame %" G_GUINT64_FORMAT ": icon %" G_GUINT64_FORMAT ", step %u of %u%s",
                 static_cast<guint64>(n), static_cast<guint64>(caption.icon), caption.step, caption.steps,
                 repeated ? ", repeated" : "");
  count(e, caption, repeated);
  if (!repeated) {
    if (caption.finished) post_icon(e.element(), caption, GST_BUFFER_PTS(buffer));
    if (caption.settings->post_steps && !caption.held) post_step(e.element(), caption, GST_BUFFER_PTS(buffer));
  }
  return GST_FLOW_OK;
}

GstFlowReturn fill(Element& e, GstBuffer* buffer) {
  const auto stream = e.opened();
  if (!stream) return GST_FLOW_FLUSHING;
  if (!settle_seek(e) || e.clock.ended(e.position.next)) return GST_FLOW_EOS;
  if (!e.tags_sent) send_tags(e);
  const bool live = gst_base_src_is_live(e.base) && !e.clock.still();
  const GstFlowReturn flow = live ? fill_live(e, *stream, buffer) : fill_directly(e, *stream, buffer);
  if (flow == GST_FLOW_OK) advance(e.position);
  return flow;
}

}  // namespace dit::plugin
