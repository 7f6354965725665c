// SPDX-License-Identifier: MIT
// How late a live stream's frames are: as measured, and as told to the pipeline.
#pragma once

#include <gst/gst.h>

namespace dit::plugin {

/// The caller guards it.
class Latency {
 public:
  /// True if the pipeline is to be told anew.
  /// took   time from the start of a picture to its end, 0 if none was painted
  /// least  frames are so late however quickly they are painted
  bool update(GstClockTime took, GstClockTime least);
  GstClockTime told() const noexcept { return told_; }

 private:
  GstClockTime told_ = 0;
  GstClockTime slowest_ = 0;  ///< making of a picture, of late
};

}  // namespace dit::plugin
