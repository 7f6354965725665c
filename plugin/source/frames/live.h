// SPDX-License-Identifier: MIT
// Live streams: frames leave by the pipeline's clock, whatever the icons take.
#pragma once

#include "plugin/source/element.h"

namespace dit::plugin {

/// What paints ahead for a live stream whose late-policy is repeat. Idle until the first frame is asked for.
std::shared_ptr<Painter> make_painter(Element& element, const std::shared_ptr<Stream>& stream);

/// The next frame of a live stream, by its late-policy. Moves the position on over skipped frames.
/// errors  Cancelled when interrupted; whatever the engine throws
GstFlowReturn fill_live(Element& element, Stream& stream, GstBuffer* buffer);

}  // namespace dit::plugin
