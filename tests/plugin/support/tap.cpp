// SPDX-License-Identifier: MIT
#include "tests/plugin/support/tap.h"

#include <atomic>
#include <chrono>
#include <sstream>
#include <thread>
#include <utility>

namespace dit::plugin_test {
namespace {

constexpr std::chrono::seconds patience{2};

std::string time_text(guint64 value) { return value == GST_CLOCK_TIME_NONE ? "none" : std::to_string(value); }

const char* type_text(GstSeekType type) {
  return type == GST_SEEK_TYPE_NONE ? "NONE" : type == GST_SEEK_TYPE_SET ? "SET" : "END";
}

}  // namespace

std::string to_text(const SeekCall& call) {
  std::ostringstream text;
  text << "seek rate " << call.rate << " " << gst_format_get_name(call.format) << " flags " << call.flags << " start "
       << type_text(call.start_type) << " " << call.start << " stop " << type_text(call.stop_type) << " " << call.stop;
  return text.str();
}

std::string to_text(const GstSegment& s) {
  std::ostringstream text;
  text << "segment rate " << s.rate << "/" << s.applied_rate << " flags " << s.flags << " " << time_text(s.start) << " "
       << time_text(s.stop) << " time " << time_text(s.time) << " position " << time_text(s.position) << " base "
       << time_text(s.base) << " offset " << time_text(s.offset);
  return text.str();
}

Tap::Tap(GstElement* source, const std::string& caps) : source_(source) {
  gst_segment_init(&segment_, GST_FORMAT_UNDEFINED);
  GstCaps* wanted = gst_caps_from_string(caps.c_str());
  GstPadTemplate* pad_template = gst_pad_template_new("sink", GST_PAD_SINK, GST_PAD_ALWAYS, wanted);
  gst_caps_unref(wanted);
  pad_ = gst_pad_new_from_template(pad_template, "sink");
  gst_object_unref(pad_template);
  gst_pad_set_element_private(pad_, this);
  gst_pad_set_chain_function(pad_, chain);
  gst_pad_set_event_function(pad_, event);
  gst_pad_set_active(pad_, TRUE);
  GstPad* out = gst_element_get_static_pad(source_, "src");
  gst_pad_link(out, pad_);
  gst_object_unref(out);
  gst_element_set_state(source_, GST_STATE_PLAYING);
  settle();
}

Tap::~Tap() {
  {
    const std::lock_guard lock(mutex_);
    flushing_ = true;
  }
  changed_.notify_all();
  gst_element_set_state(source_, GST_STATE_NULL);
  gst_pad_set_active(pad_, FALSE);
  gst_object_unref(pad_);
  gst_object_unref(source_);
}

GstFlowReturn Tap::chain(GstPad* pad, GstObject*, GstBuffer* buffer) {
  return static_cast<Tap*>(gst_pad_get_element_private(pad))->take_frame(buffer);
}

gboolean Tap::event(GstPad* pad, GstObject*, GstEvent* event) {
  static_cast<Tap*>(gst_pad_get_element_private(pad))->take_event(event);
  return TRUE;
}

bool Tap::counts(GstClockTime pts) const {
  return segment_.rate > 0 || segment_.format != GST_FORMAT_TIME || pts < segment_.position;
}

GstFlowReturn Tap::take_frame(GstBuffer* buffer) {
  const GstClockTime pts = GST_BUFFER_PTS(buffer);
  gst_buffer_unref(buffer);
  std::unique_lock lock(mutex_);
  if (segment_.format == GST_FORMAT_UNDEFINED) ++lost_;
  if (!counts(pts)) return flushing_ ? GST_FLOW_FLUSHING : GST_FLOW_OK;
  holding_ = true;
  changed_.notify_all();
  changed_.wait(lock, [this] { return flushing_ || allowed_ > 0; });
  holding_ = false;
  if (flushing_) return GST_FLOW_FLUSHING;
  --allowed_;
  seen_.push_back("frame " + time_text(pts));
  changed_.notify_all();
  return GST_FLOW_OK;
}

void Tap::take_event(GstEvent* event) {
  const std::lock_guard lock(mutex_);
  switch (GST_EVENT_TYPE(event)) {
    case GST_EVENT_SEGMENT:
      gst_event_copy_segment(event, &segment_);
      ++segments_;
      ended_ = false;
      seen_.push_back(to_text(segment_));
      break;
    case GST_EVENT_FLUSH_START:
      flushing_ = true;
      break;
    case GST_EVENT_FLUSH_STOP:
      flushing_ = false;
      ended_ = closed_ = false;
      gst_segment_init(&segment_, GST_FORMAT_UNDEFINED);
      break;
    case GST_EVENT_EOS:
    case GST_EVENT_SEGMENT_DONE:
      if (segment_.format == GST_FORMAT_UNDEFINED) ++lost_;
      ended_ = true;
      closed_ = GST_EVENT_TYPE(event) == GST_EVENT_EOS;
      seen_.push_back(GST_EVENT_TYPE_NAME(event));
      break;
    default:
      break;
  }
  gst_event_unref(event);
  changed_.notify_all();
}

void Tap::settle(int segments) {
  std::unique_lock lock(mutex_);
  if (!changed_.wait_for(lock, patience,
                         [&] { return closed_ || (segments_ >= segments && ((holding_ && allowed_ == 0) || ended_)); }))
    stuck_ = true;
}

void Tap::pass(int count) {
  {
    const std::lock_guard lock(mutex_);
    if (ended_) return;
    allowed_ = count;
  }
  changed_.notify_all();
  settle();
  const std::lock_guard lock(mutex_);
  allowed_ = 0;
}

bool Tap::seek(const SeekCall& call) {
  GstEvent* request =
      gst_event_new_seek(call.rate, call.format, call.flags, call.start_type, call.start, call.stop_type, call.stop);
  gboolean done = FALSE;
  int segments = 0;
  {
    const std::lock_guard lock(mutex_);
    segments = segments_;
  }
  if ((call.flags & GST_SEEK_FLAG_FLUSH) != 0) {
    done = gst_element_send_event(source_, request);
  } else {
    // It waits for the frame that is held back, which then passes. The next one must not: the task is paused first.
    std::atomic<bool> returned{false};
    std::thread caller([&] {
      done = gst_element_send_event(source_, request);
      returned = true;
    });
    GstPad* out = gst_element_get_static_pad(source_, "src");
    const auto limit = std::chrono::steady_clock::now() + patience;
    while (!returned && gst_pad_get_task_state(out) == GST_TASK_STARTED && std::chrono::steady_clock::now() < limit) {
      std::this_thread::yield();
    }
    gst_object_unref(out);
    {
      const std::lock_guard lock(mutex_);
      // Refused without touching the stream: nothing passes.
      if (holding_ && !returned) allowed_ = 1;
    }
    changed_.notify_all();
    caller.join();
  }
  // The end of the segment before is not the end of the one that was sought.
  settle(done ? segments + 1 : segments);
  return done != FALSE;
}

bool Tap::flush() {
  const bool begun = gst_element_send_event(source_, gst_event_new_flush_start()) != FALSE;
  const bool ended = gst_element_send_event(source_, gst_event_new_flush_stop(TRUE)) != FALSE;
  settle();
  return begun && ended;
}

std::vector<std::string> Tap::take() {
  const std::lock_guard lock(mutex_);
  return std::exchange(seen_, {});
}

bool Tap::at_end() {
  const std::lock_guard lock(mutex_);
  return ended_;
}

}  // namespace dit::plugin_test
