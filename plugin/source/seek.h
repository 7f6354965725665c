// SPDX-License-Identifier: MIT
// Random access: where a seek leads, and how long the stream is.
#pragma once

#include <gst/gst.h>

#include "plugin/source/element.h"

namespace dit::plugin {

/// The stream's length in frames, or -1 if it has none: num-buffers, and one for a still.
gint64 total_frames(Element& element, const FrameClock& clock);
/// Time at which the stream ends, or GST_CLOCK_TIME_NONE.
GstClockTime total_time(Element& element, const FrameClock& clock);

/// Live streams and stills cannot be seeked.
bool seekable(Element& element);
/// Every seek event on its way to the base class.
void note_seek(Element& element, GstEvent* event);
/// Base class vfunc do_seek, with the stream lock held. Playing starts at the segment's position, which the base class
/// has set as the seek says: the start, or the stop if backwards; where it already was if that side was not to change.
/// Completes the segment and leaves the rest to settle_seek.
bool do_seek(Element& element, GstSegment* segment);
/// With the stream lock, after a seek that is refused but may have flushed: the stream goes on where it was, in a
/// segment that is sent again.
void go_on(Element& element);
/// In the streaming thread, before a frame: carries out a pending seek, now that the rate is known. False at the end of
/// the stream.
bool settle_seek(Element& element);
}  // namespace dit::plugin
