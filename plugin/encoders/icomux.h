// SPDX-License-Identifier: MIT
// diticomux: one RGBA frame -> one .ico file with the icon in several sizes, as PNG entries.
#pragma once

#include <gst/gst.h>

gboolean gst_dit_ico_mux_register(GstPlugin* plugin);
