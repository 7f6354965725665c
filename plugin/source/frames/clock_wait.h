// SPDX-License-Identifier: MIT
// Waiting for the pipeline's clock in a way that a flush or a state change ends at once.
#pragma once

#include <gst/gst.h>

#include <mutex>

namespace dit::plugin {

/// thread  until from one thread at a time; interrupt and resume from any
class ClockWait {
 public:
  /// Returns when `clock` shows `time`; false if interrupted before or while waiting.
  bool until(GstClock* clock, GstClockTime time);
  void interrupt();
  void resume();

 private:
  std::mutex mutex_;
  GstClockID id_ = nullptr;  ///< while waiting
  bool interrupted_ = false;
};

/// Running time by the element's clock; GST_CLOCK_TIME_NONE without one. `clock` receives a reference, if given.
GstClockTime running_time(GstElement* element, GstClock** clock = nullptr);

}  // namespace dit::plugin
