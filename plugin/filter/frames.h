// SPDX-License-Identifier: MIT
// Frames come in, wait until there are enough for a batch, and go out as icons. All in the streaming thread.
#pragma once

#include "plugin/filter/filter.h"

namespace dit::plugin {

/// Takes a frame with the settings of its time. Takes `buffer`.
/// errors  GST_FLOW_ERROR, with a message, if it cannot be read; whatever the engine throws
GstFlowReturn take_frame(Filter& filter, GstBuffer* buffer);

/// Whether a batch is complete: by its size, or since the next frame cannot be part of it.
bool batch_is_complete(const Filter& filter);
/// Paints the frames of one batch: those that wait, as far as they have settings in common.
/// errors  Cancelled when interrupted; whatever the engine throws
void paint_batch(Filter& filter);

/// Writes the icon of the next painted frame.
void write_icon(Filter& filter, GstVideoFrame& frame);
/// Says what the next painted frame's icon is in its buffer, and counts it.
void finish_frame(Filter& filter, GstBuffer* buffer);

/// After a flush and before the first frame.
void forget_frames(Filter& filter);

}  // namespace dit::plugin
