// SPDX-License-Identifier: MIT
#include "plugin/source/frames/fill.h"

#include "plugin/source/frames/buffer.h"
#include "plugin/source/frames/live.h"
#include "plugin/source/frames/paint.h"
#include "plugin/source/messages.h"
#include "plugin/source/seek.h"

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

/// The base class sends a segment with its first frame only, and an end without a segment is the end of nothing.
/// sought  no frame has come since the last seek
void end_segment(Element& e, bool sought) {
  GstPad* pad = GST_BASE_SRC_PAD(e.base);
  GstEvent* sent = gst_pad_get_sticky_event(pad, GST_EVENT_SEGMENT, 0);
  if (sought || sent == nullptr) gst_pad_push_event(pad, gst_event_new_segment(&e.base->segment));
  if (sent != nullptr) gst_event_unref(sent);
  if (!sought || !e.seek.reverse) return;
  // As after a last frame.
  const ObjectLock lock(e.base);
  e.base->segment.position = e.base->segment.start;
}

}  // namespace

GstFlowReturn fill(Element& e, GstBuffer* buffer) {
  const auto stream = e.opened();
  if (!stream) return GST_FLOW_FLUSHING;
  const bool sought = e.seek_pending;
  if (!settle_seek(e) || e.clock.ended(e.position.next)) {
    end_segment(e, sought);
    return GST_FLOW_EOS;
  }
  if (!e.tags_sent) send_tags(e);
  const bool live = gst_base_src_is_live(e.base) && !e.clock.still();
  const GstFlowReturn flow = live ? fill_live(e, *stream, buffer) : fill_directly(e, *stream, buffer);
  if (flow == GST_FLOW_OK) advance(e.position);
  return flow;
}

}  // namespace dit::plugin
