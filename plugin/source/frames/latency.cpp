// SPDX-License-Identifier: MIT
#include "plugin/source/frames/latency.h"

#include "plugin/source/messages.h"

namespace dit::plugin {

void update_latency(Element& e, GstClockTime took) {
  bool changed = false;
  {
    const ObjectLock lock(e.base);
    changed = e.latency.update(took, e.clock.still() ? 0 : e.clock.frame_time());
  }
  if (changed && gst_base_src_is_live(e.base)) post_latency(e.element());
}

}  // namespace dit::plugin
