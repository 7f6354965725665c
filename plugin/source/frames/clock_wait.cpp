// SPDX-License-Identifier: MIT
#include "plugin/source/frames/clock_wait.h"

namespace dit::plugin {

bool ClockWait::until(GstClock* clock, GstClockTime time) {
  GstClockID id = gst_clock_new_single_shot_id(clock, time);
  bool go = false;
  {
    const std::lock_guard lock(mutex_);
    go = !interrupted_;
    if (go) id_ = id;
  }
  if (go) {
    const GstClockReturn result = gst_clock_id_wait(id, nullptr);
    const std::lock_guard lock(mutex_);
    id_ = nullptr;
    go = !interrupted_ && result != GST_CLOCK_UNSCHEDULED;
  }
  gst_clock_id_unref(id);
  return go;
}

void ClockWait::interrupt() {
  const std::lock_guard lock(mutex_);
  interrupted_ = true;
  if (id_ != nullptr) gst_clock_id_unschedule(id_);
}

void ClockWait::resume() {
  const std::lock_guard lock(mutex_);
  interrupted_ = false;
}

GstClockTime running_time(GstElement* element, GstClock** clock) {
  GstClock* found = gst_element_get_clock(element);
  if (found == nullptr) return GST_CLOCK_TIME_NONE;
  const GstClockTime now = gst_clock_get_time(found);
  const GstClockTime base = gst_element_get_base_time(element);
  if (clock != nullptr) {
    *clock = found;
  } else {
    gst_object_unref(found);
  }
  return now > base ? now - base : 0;
}

}  // namespace dit::plugin
