// SPDX-License-Identifier: MIT
// A live stream of the source tells the pipeline how late its frames are.
#pragma once

#include "plugin/source/element.h"

namespace dit::plugin {

/// Tells the pipeline of a new latency if it differs enough from the one told before. Any thread.
/// took  time from the start of a picture to its end, 0 if none was painted
void update_latency(Element& element, GstClockTime took);

}  // namespace dit::plugin
