// SPDX-License-Identifier: MIT
// Random access: where a seek leads, how long the stream is, and what a time is in frames.
#pragma once

#include <gst/gst.h>

#include "plugin/source/element.h"

namespace dit::plugin {

/// Live streams and stills cannot be seeked.
bool seekable(Element& element);
/// Base class vfunc do_seek, with the stream lock held. Completes the segment and leaves the rest to settle_seek.
bool do_seek(Element& element, GstSegment* segment);
/// In the streaming thread, before a frame: carries out a pending seek, now that the rate is known. False at the end of
/// the stream.
bool settle_seek(Element& element);
/// Duration, convert, seeking (in frames), latency; false for any other query, and if the answer is not known.
bool answer(Element& element, GstQuery* query);

}  // namespace dit::plugin
