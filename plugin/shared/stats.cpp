// SPDX-License-Identifier: MIT
#include "plugin/shared/stats.h"

namespace dit::plugin {

void count(Stats& stats, const Caption& caption, bool repeated) {
  ++stats.frames;
  if (repeated) ++stats.repeated;
  if (repeated || !caption.finished) return;
  ++stats.icons;
  stats.last_render_ns = static_cast<guint64>(caption.render_time.count());
  stats.render_ns += stats.last_render_ns;
  stats.steps = caption.steps;
}

GstStructure* structure_of(const char* name, const Stats& s, GstClockTime latency) {
  return gst_structure_new(name, "frames", G_TYPE_UINT64, s.frames, "icons", G_TYPE_UINT64, s.icons, "repeated",
                           G_TYPE_UINT64, s.repeated, "skipped", G_TYPE_UINT64, s.skipped, "render-time", G_TYPE_UINT64,
                           s.icons > 0 ? s.render_ns / s.icons : 0, "last-render-time", G_TYPE_UINT64, s.last_render_ns,
                           "steps", G_TYPE_UINT, s.steps, "latency", G_TYPE_UINT64, latency, nullptr);
}

}  // namespace dit::plugin
