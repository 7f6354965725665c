// SPDX-License-Identifier: MIT
#include "plugin/shared/latency.h"

#include <algorithm>

namespace dit::plugin {

bool Latency::update(GstClockTime took, GstClockTime least) {
  // Pictures of a batch cost all or nothing, so the slowest of late counts.
  slowest_ = std::max(took, slowest_ - slowest_ / 32);
  const GstClockTime need = std::max(least, slowest_);
  // Told with a margin, and told anew only if it no longer covers the need or is far beyond it.
  if (need <= told_ && told_ <= 2 * need) return false;
  told_ = need > least ? need + need / 4 : need;
  return true;
}

}  // namespace dit::plugin
