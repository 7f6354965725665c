// SPDX-License-Identifier: MIT
// The next frame: which one it is, and whether it leaves at once (here) or by the clock (live.h).
#pragma once

#include "plugin/source/element.h"

namespace dit::plugin {

/// Fills the next frame into `buffer`. Streaming thread.
/// errors  Cancelled when interrupted; whatever the engine throws
GstFlowReturn fill(Element& element, GstBuffer* buffer);

}  // namespace dit::plugin
