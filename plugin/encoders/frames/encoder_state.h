// SPDX-License-Identifier: MIT
// One file in the making: from buffers with their times to frames with a length.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "plugin/encoders/encoder.h"
#include "plugin/encoders/pad_output.h"

namespace dit::plugin {

/// Touched under the sink pad's stream lock, or while no data flows.
class EncoderState {
 public:
  EncoderState(GstDitEncoder* self, GstPad* sink, GstPad* src)
      : self_(self), class_(GST_DIT_ENCODER_GET_CLASS(self)), sink_(sink), output_(src) {
    gst_segment_init(&segment_, GST_FORMAT_UNDEFINED);
  }
  ~EncoderState() { reset(); }
  EncoderState(const EncoderState&) = delete;
  EncoderState& operator=(const EncoderState&) = delete;

  void set_caps(GstCaps* caps);
  void set_segment(GstEvent* event);
  void hold(GstEvent* event) { output_.hold(event); }
  /// Takes the buffer.
  GstFlowReturn add(GstBuffer* buffer);
  void finish();
  /// Nothing can come of the file that was begun.
  void fail() { failed_ = true; }
  bool failed() const { return failed_; }
  /// Forgets the file that was begun.
  void reset();

 private:
  /// A frame that cannot be encoded is refused when it comes, and not when the next one does.
  void check(GstBuffer* buffer) const;
  void announce(GstBuffer* buffer);
  void encode(GstBuffer* buffer, GstClockTime duration);
  void encode_bytes(std::span<const std::uint8_t> bytes, GstClockTime pts, GstClockTime duration);
  /// What the frame rate says, 0 if it is unknown.
  GstClockTime frame_period() const;
  /// Where a buffer lies on the time line of the file.
  struct Span {
    GstClockTime start = GST_CLOCK_TIME_NONE;
    GstClockTime duration = GST_CLOCK_TIME_NONE;
  };
  Span span_of(GstBuffer* buffer) const;
  /// Of the frame that comes next: one may wait for it.
  std::uint64_t next_number() const noexcept { return frames_ + (pending_ != nullptr ? 1 : 0); }
  /// How long the pending frame is shown before one of that span.
  GstClockTime until(const Span& next) const;
  void encode_pending(GstClockTime duration);
  void forget_pending() { gst_clear_buffer(&pending_); }

  GstDitEncoder* self_;
  GstDitEncoderClass* class_;
  GstPad* sink_;
  PadOutput output_;
  Input input_;
  std::optional<GstVideoInfo> video_;  ///< of raw video
  std::unique_ptr<Encoder> encoder_;   ///< null before the first frame of a file
  GstSegment segment_;
  GstBuffer* pending_ = nullptr;  ///< a frame whose duration only the next one tells
  Span pending_span_;
  std::uint64_t frames_ = 0;
  bool failed_ = false;
  GstClockTime elapsed_ = 0, last_duration_ = 0;
  std::vector<std::uint8_t> rows_;  ///< scratch for frames with padded rows
};

}  // namespace dit::plugin
