// SPDX-License-Identifier: MIT
// ditapngmux: PNG files, one a buffer -> one animated PNG. Pixels are never decoded; chunks change their places.
#pragma once

#include <gst/gst.h>

gboolean gst_dit_apng_mux_register(GstPlugin* plugin);
