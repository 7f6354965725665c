// SPDX-License-Identifier: MIT
// ditsrc: a GstPushSrc that paints icons. Frame n is a function of the settings and n alone.
#pragma once

#include <gst/base/gstpushsrc.h>

G_BEGIN_DECLS

#define GST_TYPE_DIT_SRC (gst_dit_src_get_type())
G_DECLARE_FINAL_TYPE(GstDitSrc, gst_dit_src, GST, DIT_SRC, GstPushSrc)

G_END_DECLS
