// SPDX-License-Identifier: MIT
// ditfilter: a GstVideoFilter that makes each frame an icon. What it paints is a function of the settings, the frame's
// pixels and, with seed-mode=advance, its number.
#pragma once

#include <gst/video/gstvideofilter.h>

G_BEGIN_DECLS

#define GST_TYPE_DIT_FILTER (gst_dit_filter_get_type())
G_DECLARE_FINAL_TYPE(GstDitFilter, gst_dit_filter, GST, DIT_FILTER, GstVideoFilter)

G_END_DECLS
