// SPDX-License-Identifier: MIT
#include "plugin/encoders/pad_output.h"

namespace dit::plugin {
namespace {

/// A buffer that owns the vector, without a copy.
GstBuffer* wrap(std::vector<std::uint8_t> bytes) {
  auto* owned = new std::vector<std::uint8_t>(std::move(bytes));
  return gst_buffer_new_wrapped_full(GST_MEMORY_FLAG_READONLY, owned->data(), owned->size(), 0, owned->size(), owned,
                                     [](gpointer data) { delete static_cast<std::vector<std::uint8_t>*>(data); });
}

}  // namespace

PadOutput::~PadOutput() {
  reset();
  gst_clear_caps(&caps_);
  if (segment_ != nullptr) gst_event_unref(segment_);
}

void PadOutput::reset() {
  for (GstEvent* event : waiting_) gst_event_unref(event);
  waiting_.clear();
  offset_ = 0;
  begun_ = ended_ = false;
}

void PadOutput::set_segment(GstEvent* event, bool timed) {
  if (segment_ != nullptr) gst_event_unref(segment_);
  segment_ = event;
  timed_ = timed;
  if (begun_ && timed) gst_pad_push_event(pad_, gst_event_ref(event));
}

void PadOutput::hold(GstEvent* event) {
  if (begun_) {
    gst_pad_push_event(pad_, event);
  } else {
    waiting_.push_back(event);
  }
}

void PadOutput::set_caps(GstCaps* caps) {
  gst_caps_take(&caps_, caps);
  if (begun_) gst_pad_push_event(pad_, gst_event_new_caps(caps_));
}

void PadOutput::push_segment(std::uint64_t offset) {
  GstSegment segment;
  gst_segment_init(&segment, GST_FORMAT_BYTES);
  segment.start = segment.time = offset;
  gst_pad_push_event(pad_, gst_event_new_segment(&segment));
}

void PadOutput::begin() {
  if (begun_) return;
  begun_ = true;
  if (caps_ != nullptr) gst_pad_push_event(pad_, gst_event_new_caps(caps_));
  if (timed_ && segment_ != nullptr) {
    gst_pad_push_event(pad_, gst_event_ref(segment_));
  } else {
    push_segment(0);
  }
  for (GstEvent* event : waiting_) gst_pad_push_event(pad_, event);
  waiting_.clear();
}

void PadOutput::push_buffer(std::vector<std::uint8_t> bytes, std::uint64_t offset, GstClockTime pts,
                            GstClockTime duration) {
  GstBuffer* buffer = wrap(std::move(bytes));
  GST_BUFFER_PTS(buffer) = pts;
  GST_BUFFER_DURATION(buffer) = duration;
  if (!timed_) {
    GST_BUFFER_OFFSET(buffer) = offset;
    GST_BUFFER_OFFSET_END(buffer) = offset + gst_buffer_get_size(buffer);
  }
  const GstFlowReturn flow = gst_pad_push(pad_, buffer);
  if (flow != GST_FLOW_OK) throw StreamStopped{flow};
}

void PadOutput::push(std::vector<std::uint8_t> bytes, GstClockTime pts, GstClockTime duration) {
  begin();
  const std::uint64_t offset = offset_;
  offset_ += bytes.size();
  push_buffer(std::move(bytes), offset, pts, duration);
}

bool PadOutput::can_rewrite() {
  GstQuery* query = gst_query_new_seeking(GST_FORMAT_BYTES);
  gboolean seekable = FALSE;
  if (gst_pad_peer_query(pad_, query)) gst_query_parse_seeking(query, nullptr, &seekable, nullptr, nullptr);
  gst_query_unref(query);
  return seekable;
}

void PadOutput::rewrite(std::uint64_t offset, std::vector<std::uint8_t> bytes) {
  push_segment(offset);
  push_buffer(std::move(bytes), offset, GST_CLOCK_TIME_NONE, GST_CLOCK_TIME_NONE);
}

void PadOutput::warn(const char* text) {
  GstElement* element = gst_pad_get_parent_element(pad_);
  if (element == nullptr) return;
  GST_ELEMENT_WARNING(element, STREAM, ENCODE, ("%s", text), (nullptr));
  gst_object_unref(element);
}

}  // namespace dit::plugin
