// SPDX-License-Identifier: MIT
#include "plugin/source/frames/latency.h"

#include <algorithm>

#include "plugin/source/messages.h"

namespace dit::plugin {

void update_latency(Element& e, GstClockTime took) {
  bool changed = false;
  {
    const ObjectLock lock(e.base);
    const GstClockTime frame = e.clock.still() ? 0 : e.clock.frame_time();
    // Pictures of a batch cost all or nothing, so the slowest of late counts.
    e.slowest = std::max(took, e.slowest - e.slowest / 32);
    const GstClockTime need = std::max(frame, e.slowest);
    // Told with a margin, and told anew only if it no longer covers the need or is far beyond it.
    const bool low = need > e.latency;
    const bool high = e.latency > 2 * need;
    if (low || high) {
      e.latency = need > frame ? need + need / 4 : need;
      changed = true;
    }
  }
  if (changed && gst_base_src_is_live(e.base)) post_latency(e.element());
}

}  // namespace dit::plugin
