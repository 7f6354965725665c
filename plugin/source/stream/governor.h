// SPDX-License-Identifier: MIT
// How many steps an icon may take: fewer when icons are too slow for their frames, more again when there is time.
#pragma once

#include <gst/gst.h>

#include <cstdint>
#include <mutex>

#include "plugin/source/stream/settings.h"
#include "plugin/source/stream/stream.h"

namespace dit::plugin {

/// thread  any
class Governor {
 public:
  void reset();
  /// The number of steps for the next icon: `wanted`, or fewer, down to the setting min-steps, if that one is above 0
  /// and icons are slow. Stills and frames without a duration have no deadline.
  /// live  a frame's duration is all there is; otherwise only after a sink has complained
  std::uint32_t steps(const Settings& settings, std::uint32_t wanted, GstClockTime frame_time, bool live);
  /// A finished icon, as measured.
  void painted(const Caption& caption);
  /// A sink's verdict on a buffer: jitter > 0 says that it came too late by so much.
  void judged(GstClockTimeDiff jitter);

 private:
  std::mutex mutex_;
  double step_ns_ = 0;     ///< moving mean; 0 = nothing painted yet
  double share_ = 1;       ///< of a frame's time that is ours, when a sink says that the rest needs some
  bool pressed_ = false;   ///< a sink has complained
  std::uint32_t now_ = 0;  ///< steps at present; 0 = as wanted
};

}  // namespace dit::plugin
