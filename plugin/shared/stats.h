// SPDX-License-Identifier: MIT
// What the `stats` property of an element that paints tells.
#pragma once

#include <gst/gst.h>

#include "plugin/source/stream/stream.h"

namespace dit::plugin {

/// Since the start.
struct Stats {
  guint64 frames = 0;          ///< handed out
  guint64 icons = 0;           ///< finished ones among them
  guint64 repeated = 0;        ///< frames that showed the picture before them again
  guint64 skipped = 0;         ///< frames left out
  guint64 render_ns = 0;       ///< sum over icons
  guint64 last_render_ns = 0;  ///< the last icon's
  guint steps = 0;             ///< the last icon's
};

/// Counts a frame that is handed out.
void count(Stats& stats, const Caption& caption, bool repeated);
/// Value of the property, by the name of its element's kind. The caller frees it.
GstStructure* structure_of(const char* name, const Stats& stats, GstClockTime latency);

}  // namespace dit::plugin
