// SPDX-License-Identifier: MIT
// diticomux: one RGBA frame -> one .ico file with the icon in several sizes, small ones as BMP, 256 pixels as PNG.
#pragma once

#include <gst/gst.h>

gboolean gst_dit_ico_mux_register(GstPlugin* plugin);
