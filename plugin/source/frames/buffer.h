// SPDX-License-Identifier: MIT
// One buffer: its pixels, its timestamp, and what it says of itself.
#pragma once

#include <span>

#include "plugin/source/element.h"

namespace dit::plugin {

/// Writes a picture into a buffer, stamps it as frame n, counts it and tells the application of it. Streaming thread.
/// repeated  the frame before showed the same picture
GstFlowReturn write(Element& element, std::uint64_t n, std::span<const std::uint8_t> rgba, const Caption& caption,
                    bool repeated, GstBuffer* buffer);

}  // namespace dit::plugin
