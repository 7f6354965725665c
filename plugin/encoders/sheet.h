// SPDX-License-Identifier: MIT
// ditsheet: N RGBA frames -> one RGBA frame that shows them side by side.
#pragma once

#include <gst/gst.h>

gboolean gst_dit_sheet_register(GstPlugin* plugin);
