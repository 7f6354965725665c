// SPDX-License-Identifier: MIT
#include "plugin/source/frames/buffer.h"

#include "plugin/source/frames/pixels.h"
#include "plugin/source/messages.h"

namespace dit::plugin {
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
  add_meta(buffer, caption, e.origin, repeated || caption.once_more);
  GST_LOG_OBJECT(e.base, "frame %" G_GUINT64_FORMAT ": icon %" G_GUINT64_FORMAT ", step %u of %u%s",
                 static_cast<guint64>(n), static_cast<guint64>(caption.icon), caption.step, caption.steps,
                 repeated ? ", repeated" : "");
  {
    const ObjectLock lock(e.base);
    count(e.stats, caption, repeated);
  }
  if (!repeated) {
    if (caption.finished) post_icon(e.element(), caption, GST_BUFFER_PTS(buffer));
    if (caption.settings->post_steps && !caption.once_more) post_step(e.element(), caption, GST_BUFFER_PTS(buffer));
  }
  return GST_FLOW_OK;
}

}  // namespace dit::plugin
