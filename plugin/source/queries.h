// SPDX-License-Identifier: MIT
// What others ask the element about its stream.
#pragma once

#include <gst/gst.h>

#include "plugin/source/element.h"

namespace dit::plugin {

/// Duration, convert, seeking (in frames), latency; false for any other query, and if the answer is not known.
bool answer(Element& element, GstQuery* query);

}  // namespace dit::plugin
