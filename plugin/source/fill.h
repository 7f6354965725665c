// SPDX-License-Identifier: MIT
// One buffer: which frame it is, its picture, its time, and what it says of itself.
#pragma once

#include "plugin/source/element.h"

namespace dit::plugin {

/// Fills the next frame into `buffer`. Streaming thread.
/// errors  Cancelled when interrupted; whatever the engine throws
GstFlowReturn fill(Element& element, GstBuffer* buffer);

/// A picture of frame n with the settings of `time`. Takes new settings if n starts an icon.
Picture paint(Element& element, Stream& stream, std::uint64_t n, GstClockTime time, bool live);

/// Puts a picture into a buffer and stamps it as frame n.
GstFlowReturn write(Element& element, std::uint64_t n, std::span<const std::uint8_t> rgba, const Caption& caption,
                    bool repeated, GstBuffer* buffer);

}  // namespace dit::plugin
