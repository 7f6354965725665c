// SPDX-License-Identifier: MIT
#include "plugin/encoders/frames/encoder_state.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <functional>

#include "plugin/shared/frame_rows.h"

namespace dit::plugin {

void EncoderState::set_caps(GstCaps* caps) {
  const GstStructure* structure = gst_caps_get_structure(caps, 0);
  Input input;
  std::optional<GstVideoInfo> video;
  if (gst_structure_has_name(structure, "video/x-raw")) {
    video.emplace();
    expect_frame(gst_video_info_from_caps(&*video, caps), "expected video, found other caps");
    // A template that said so would refuse caps that do not speak of it.
    const auto mode = GST_VIDEO_INFO_MULTIVIEW_MODE(&*video);
    // Unsaid, mono, and one eye's pictures come first in the enumeration.
    expect_frame(mode <= GST_VIDEO_MULTIVIEW_MODE_RIGHT, "multiview-mode: expected mono, left or right, found {}",
                 gst_video_multiview_mode_to_caps_string(mode));
    // What is written knows of no other pixels: a picture of others would be shown too wide or too high.
    expect_frame(GST_VIDEO_INFO_PAR_N(&*video) == GST_VIDEO_INFO_PAR_D(&*video),
                 "pixel-aspect-ratio: expected 1/1, as after videoscale, found {}/{}", GST_VIDEO_INFO_PAR_N(&*video),
                 GST_VIDEO_INFO_PAR_D(&*video));
    const auto interlacing = GST_VIDEO_INFO_INTERLACE_MODE(&*video);
    expect_frame(interlacing <= GST_VIDEO_INTERLACE_MODE_MIXED,
                 "interlace-mode: expected whole pictures, as after deinterlace, found {}",
                 gst_video_interlace_mode_to_string(interlacing));
    input = {GST_VIDEO_INFO_WIDTH(&*video), GST_VIDEO_INFO_HEIGHT(&*video), GST_VIDEO_INFO_FPS_N(&*video),
             GST_VIDEO_INFO_FPS_D(&*video)};
  } else {
    gst_structure_get_fraction(structure, "framerate", &input.fps_n, &input.fps_d);
    gst_structure_get_int(structure, "width", &input.width);
    gst_structure_get_int(structure, "height", &input.height);
  }
  if (encoder_ && class_->frame_by_frame) encoder_.reset();
  const bool begun = encoder_ != nullptr || pending_ != nullptr;
  const std::uint64_t number = next_number();
  expect_frame(!begun || (input.width == input_.width && input.height == input_.height),
               "frame {}: expected {}x{} like the frames before it, found {}x{}", number, input_.width, input_.height,
               input.width, input.height);
  input_ = input;
  video_ = video;
}

void EncoderState::check(GstBuffer* buffer) const {
  if (!video_) return;
  const std::uint64_t number = next_number();
  expect_frame(
      gst_buffer_get_size(buffer) >= GST_VIDEO_INFO_SIZE(&*video_) || gst_buffer_get_video_meta(buffer) != nullptr,
      "frame {}: expected {} bytes, found {}", number, GST_VIDEO_INFO_SIZE(&*video_), gst_buffer_get_size(buffer));
  if (gst_buffer_get_video_meta(buffer) == nullptr) return;
  GstVideoFrame frame;
  if (!gst_video_frame_map(&frame, &*video_, buffer, GST_MAP_READ)) return;  // as encode() will say
  const std::size_t needed = bytes_needed(frame), mapped = bytes_mapped(frame);
  gst_video_frame_unmap(&frame);
  expect_frame(needed <= mapped, "frame {}: expected {} bytes for the rows that its meta tells of, found {}", number,
               needed, mapped);
}

void EncoderState::encode(GstBuffer* buffer, GstClockTime duration) {
  const GstClockTime pts = GST_BUFFER_PTS(buffer);
  if (!video_) {
    GstMapInfo map;
    expect_frame(gst_buffer_map(buffer, &map, GST_MAP_READ), "frame {}: cannot be read", frames_);
    const std::unique_ptr<GstBuffer, std::function<void(GstBuffer*)>> unmap(
        buffer, [&map](GstBuffer* b) { gst_buffer_unmap(b, &map); });
    return encode_bytes({map.data, map.size}, pts, duration);
  }
  GstVideoFrame frame;
  expect_frame(gst_video_frame_map(&frame, &*video_, buffer, GST_MAP_READ), "frame {}: expected {} bytes, found {}",
               frames_, GST_VIDEO_INFO_SIZE(&*video_), gst_buffer_get_size(buffer));
  const std::unique_ptr<GstVideoFrame, decltype(&gst_video_frame_unmap)> unmap(&frame, gst_video_frame_unmap);
  const auto* data = static_cast<const std::uint8_t*>(GST_VIDEO_FRAME_PLANE_DATA(&frame, 0));
  const auto row = static_cast<std::size_t>(input_.width) * 4;
  const auto stride = static_cast<std::size_t>(GST_VIDEO_FRAME_PLANE_STRIDE(&frame, 0));
  const auto height = static_cast<std::size_t>(input_.height);
  if (stride == row) return encode_bytes({data, row * height}, pts, duration);
  rows_.resize(row * height);
  for (std::size_t y = 0; y < height; ++y) std::memcpy(&rows_[y * row], data + y * stride, row);
  encode_bytes(rows_, pts, duration);
}

void EncoderState::announce(GstBuffer* buffer) {
  if (!encoder_) encoder_ = class_->open(self_, input_, output_);
  if (video_) return encoder_->announce({}, frames_);
  GstMapInfo map;
  expect_frame(gst_buffer_map(buffer, &map, GST_MAP_READ), "frame {}: cannot be read", frames_);
  const std::unique_ptr<GstBuffer, std::function<void(GstBuffer*)>> unmap(
      buffer, [&map](GstBuffer* b) { gst_buffer_unmap(b, &map); });
  encoder_->announce({map.data, map.size}, frames_);
}

void EncoderState::encode_bytes(std::span<const std::uint8_t> bytes, GstClockTime pts, GstClockTime duration) {
  // Half of all that 64 bits count, so that nothing that is added to it wraps.
  constexpr GstClockTime most = GST_CLOCK_TIME_NONE / 2;
  expect_frame(class_->frame_by_frame || (duration <= most && elapsed_ <= most - duration),
               "frame {}: lasts {} ns after {} ns, expected at most {} ns in all", frames_, duration, elapsed_, most);
  if (!encoder_) encoder_ = class_->open(self_, input_, output_);
  encoder_->add({bytes, frames_, pts, elapsed_, duration});
  ++frames_;
  elapsed_ = class_->frame_by_frame ? 0 : elapsed_ + duration;
  last_duration_ = duration;
}

GstClockTime EncoderState::frame_period() const {
  return input_.fps_n > 0 ? gst_util_uint64_scale_int(GST_SECOND, input_.fps_d, input_.fps_n) : 0;
}

void EncoderState::set_segment(GstEvent* event) {
  gst_event_copy_segment(event, &segment_);
  output_.set_segment(event, class_->timed_output);
}

/// In running time: a seek leaves no gap in a file, and twice the rate is twice as fast. Where there is none, as in
/// segments of bytes, a buffer's own times.
EncoderState::Span EncoderState::span_of(GstBuffer* buffer) const {
  Span span{GST_BUFFER_PTS(buffer), GST_BUFFER_DURATION(buffer)};
  const bool timed = segment_.format == GST_FORMAT_TIME && GST_CLOCK_TIME_IS_VALID(span.start);
  if (!timed) return span;
  const auto running = [this](GstClockTime time) {
    guint64 result = GST_CLOCK_TIME_NONE;
    const gint sign = gst_segment_to_running_time_full(&segment_, GST_FORMAT_TIME, time, &result);
    return sign > 0 ? result : sign < 0 ? 0 : GST_CLOCK_TIME_NONE;
  };
  if (GST_CLOCK_TIME_IS_VALID(span.duration)) {
    expect_frame(span.duration < GST_CLOCK_TIME_NONE - span.start,
                 "frame {}: starts at {} ns and lasts {} ns, expected an end before {}", next_number(), span.start,
                 span.duration, GST_CLOCK_TIME_NONE);
    // Through a frame of no length, which lies wherever its start does.
    const auto scaled = static_cast<double>(span.duration) / std::abs(segment_.rate);
    if (segment_.rate < 0) span.start += span.duration;
    if (std::abs(segment_.rate) != 1.0) span.duration = static_cast<GstClockTime>(std::min(scaled, 9e18));
  }
  span.start = running(span.start);
  return span;
}

GstClockTime EncoderState::until(const Span& next) const {
  const GstClockTime own = pending_span_.duration;
  const GstClockTime from = pending_span_.start, to = next.start;
  if (!GST_CLOCK_TIME_IS_VALID(from) || !GST_CLOCK_TIME_IS_VALID(to)) {
    if (GST_CLOCK_TIME_IS_VALID(own)) return own;
    expect_frame(input_.fps_n > 0, "frame {}: expected a duration, a time or a frame rate, found none", frames_);
    expect_frame(frame_period() > 0, "frame {}: expected to last a nanosecond or more, found a frame rate of {}/{}",
                 frames_, input_.fps_n, input_.fps_d);
    return frame_period();
  }
  if (GST_CLOCK_TIME_IS_VALID(own)) return to > from ? std::max(own, to - from) : own;
  expect_frame(to >= from, "frame {}: expected a time of at least {} ns, found {} ns", frames_ + 1, from, to);
  return to - from;
}

void EncoderState::encode_pending(GstClockTime duration) {
  encode(pending_, duration);
  forget_pending();
}

GstFlowReturn EncoderState::add(GstBuffer* buffer) {
  const std::unique_ptr<GstBuffer, decltype(&gst_buffer_unref)> owned(buffer, gst_buffer_unref);
  check(buffer);
  const Span span = span_of(buffer);
  const bool known = GST_CLOCK_TIME_IS_VALID(span.duration);
  if (pending_ != nullptr) encode_pending(until(span));
  if (class_->frame_by_frame) {
    encode(buffer, GST_BUFFER_DURATION_IS_VALID(buffer) ? GST_BUFFER_DURATION(buffer) : 0);
  } else if (known && !class_->lasts_until_next) {
    encode(buffer, span.duration);
  } else {
    announce(buffer);
    pending_ = gst_buffer_ref(buffer);
    pending_span_ = span;
  }
  return output_.ended() ? GST_FLOW_EOS : GST_FLOW_OK;
}

void EncoderState::finish() {
  if (pending_ != nullptr) {
    // If nothing says how long the last frame lasts: as long as the one before it, else as the frame rate says.
    const GstClockTime own = pending_span_.duration;
    encode_pending(GST_CLOCK_TIME_IS_VALID(own) ? own : frames_ > 0 ? last_duration_ : frame_period());
  }
  if (output_.ended()) return;
  expect_frame(frames_ > 0, "no frame came before the end of the stream: expected at least one");
  if (encoder_) encoder_->finish();
}

void EncoderState::reset() {
  forget_pending();
  encoder_.reset();
  output_.reset();
  frames_ = 0;
  failed_ = false;
  elapsed_ = last_duration_ = 0;
}

}  // namespace dit::plugin
