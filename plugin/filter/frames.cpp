// SPDX-License-Identifier: MIT
#include "plugin/filter/frames.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "plugin/filter/sketch_pixels.h"
#include "plugin/shared/frame_rows.h"
#include "plugin/source/frames/pixels.h"
#include "plugin/source/messages.h"
#include "plugin/translate.h"

#undef GST_CAT_DEFAULT  // messages.h brings the source's
#define GST_CAT_DEFAULT gst_dit_filter_debug

namespace dit::plugin {
namespace {

/// The frame's number on the grid of its stream, so that it does not depend on what was dropped or skipped by a seek;
/// without a rate or a time, frames are counted.
std::uint64_t frame_number(const Filter& f, GstClockTime stream_time) {
  if (!GST_CLOCK_TIME_IS_VALID(stream_time) || f.in.fps_n <= 0 || f.in.fps_d <= 0) return f.frames_taken;
  return gst_util_uint64_scale_round(stream_time, static_cast<guint64>(f.in.fps_n),
                                     static_cast<guint64>(f.in.fps_d) * GST_SECOND);
}

bool fail_to_read(const Filter& f, std::size_t wanted, std::size_t found) {
  GST_ELEMENT_ERROR(f.base, STREAM, FORMAT,
                    (tr("cannot read a frame: expected a buffer of %zu bytes, found one of %zu"), wanted, found),
                    (nullptr));
  return false;
}

bool read_buffer(Filter& f, GstBuffer* buffer, Size size, std::vector<std::uint8_t>& rgba) {
  GstVideoFrame frame;
  if (!gst_video_frame_map(&frame, &f.in, buffer, GST_MAP_READ)) {
    return fail_to_read(f, GST_VIDEO_INFO_SIZE(&f.in), gst_buffer_get_size(buffer));
  }
  const std::size_t needed = bytes_needed(frame), mapped = bytes_mapped(frame);
  if (needed <= mapped) read_sketch(frame, size, rgba);
  gst_video_frame_unmap(&frame);
  return needed <= mapped || fail_to_read(f, needed, mapped);
}

std::vector<std::uint8_t> mask_for(Filter& f, const Settings& settings, const std::vector<std::uint8_t>& rgba) {
  if (!settings.mask) return {};
  if (GST_VIDEO_INFO_HAS_ALPHA(&f.in)) return mask_of(rgba);
  if (!std::exchange(f.warned_of_mask, true)) {
    GST_ELEMENT_WARNING(f.base, STREAM, FORMAT,
                        (tr("mask: expected frames with alpha, found %s; all of a frame is painted"),
                         gst_video_format_to_string(GST_VIDEO_INFO_FORMAT(&f.in))),
                        (nullptr));
  }
  return {};
}

/// Paints drawings, in one batch.
std::vector<std::shared_ptr<const Icon>> paint(Filter& f, const std::vector<const Drawing*>& drawings) {
  if (drawings.empty()) return {};
  const auto painter = f.opened();
  if (!painter) throw Cancelled();
  post_words(f.element(), painter->take_settings(drawings.front()->settings));
  const auto start = std::chrono::steady_clock::now();
  auto icons = painter->paint(drawings);
  if (const std::string mistakes = painter->take_warning(); !mistakes.empty()) warn_of_kernels(f.element(), mistakes);
  const std::chrono::nanoseconds took = std::chrono::steady_clock::now() - start;
  // The first of a batch waits for the last.
  GstClockTime least = 0;
  if (f.in.fps_n > 0) {
    least = gst_util_uint64_scale(painter->batch_size() - 1, static_cast<guint64>(f.in.fps_d) * GST_SECOND,
                                  static_cast<guint64>(f.in.fps_n));
  }
  bool changed = false;
  {
    const ObjectLock lock(f.base);
    changed = f.latency.update(least + static_cast<GstClockTime>(took.count()), least) && f.live;
  }
  if (changed) post_latency(f.element());
  return icons;
}

}  // namespace

GstFlowReturn take_frame(Filter& f, GstBuffer* buffer) {
  WaitingFrame frame{
      .buffer = OwnedBuffer(buffer), .drawing = {}, .gap = GST_BUFFER_FLAG_IS_SET(buffer, GST_BUFFER_FLAG_GAP)};
  // Of a segment of bytes, such as appsrc's, nobody knows the time. A copy: a base class that is being activated makes
  // its segment anew, while upstream may be pushing already.
  const GstSegment segment = f.base->segment;
  const GstClockTime time = segment.format == GST_FORMAT_TIME
                                ? gst_segment_to_stream_time(&segment, GST_FORMAT_TIME, GST_BUFFER_PTS(buffer))
                                : GST_CLOCK_TIME_NONE;
  if (GST_CLOCK_TIME_IS_VALID(time)) gst_object_sync_values(GST_OBJECT(f.base), time);
  Drawing& drawing = frame.drawing;
  drawing.settings = f.snapshot();
  if (drawing.settings->seed_mode == static_cast<int>(SeedMode::advance)) drawing.index = frame_number(f, time);
  if (!read_buffer(f, buffer, f.size(), drawing.rgba)) return GST_FLOW_ERROR;
  drawing.mask = mask_for(f, *drawing.settings, drawing.rgba);
  f.waiting.push_back(std::move(frame));
  ++f.frames_taken;
  return GST_FLOW_OK;
}

bool batch_is_complete(const Filter& f) {
  const auto painter = f.opened();
  if (f.waiting.empty() || !painter) return false;
  return f.waiting.size() >= painter->batch_size() ||
         !same_but_strength(*f.waiting.front().drawing.settings, *f.waiting.back().drawing.settings);
}

void paint_batch(Filter& f) {
  const auto painter = f.opened();
  if (f.waiting.empty() || !painter) return;
  std::vector<const Drawing*> drawings;
  std::vector<std::size_t> icon_of;  // 0 = the last of the batch before, else one more than the place in `drawings`
  const Drawing* last = f.last ? &*f.last : nullptr;
  for (const WaitingFrame& frame : f.waiting) {
    if (icon_of.size() == painter->batch_size()) break;
    if (!same_but_strength(*f.waiting.front().drawing.settings, *frame.drawing.settings)) break;
    if (last == nullptr || !(frame.gap || frame.drawing == *last)) {
      drawings.push_back(&frame.drawing);
      last = &frame.drawing;
    }
    icon_of.push_back(drawings.size());
  }
  // Where this throws all is as it was, so that nothing is shown that was not painted.
  const auto icons = paint(f, drawings);
  if (!drawings.empty()) f.last = *drawings.back();
  std::size_t before = 0;
  for (const std::size_t icon : icon_of) {
    const bool repeated = icon == before;
    if (icon > 0) f.last_icon = icons[icon - 1];
    f.painted.push_back({std::move(f.waiting.front().buffer), f.last_icon, repeated});
    f.waiting.pop_front();
    before = icon;
  }
}

void write_icon(Filter& f, GstVideoFrame& frame) {
  const Icon& icon = *f.painted.front().icon;
  write_picture(icon.rgba, static_cast<std::uint32_t>(f.size().width), icon.caption.settings->background, frame);
}

void finish_frame(Filter& f, GstBuffer* buffer) {
  const PaintedFrame& frame = f.painted.front();
  if (f.origin.model.empty() && f.model_hash.valid()) f.origin.model = f.model_hash.get();
  add_meta(buffer, frame.icon->caption, f.origin, frame.repeated);
  // The first frame may say that it shows nothing new, but its icon is.
  if (!frame.repeated) GST_BUFFER_FLAG_UNSET(buffer, GST_BUFFER_FLAG_GAP);
  {
    const ObjectLock lock(f.base);
    count(f.stats, frame.icon->caption, frame.repeated);
  }
  f.painted.pop_front();
}

void forget_frames(Filter& f) {
  f.waiting.clear();
  f.painted.clear();
  f.last.reset();
  f.last_icon.reset();
  f.frames_taken = 0;
}

}  // namespace dit::plugin
