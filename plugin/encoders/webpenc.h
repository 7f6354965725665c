// SPDX-License-Identifier: MIT
// ditwebpenc: RGBA frames -> one animated WebP file, by libwebp's animation encoder.
#pragma once

#include <gst/gst.h>

gboolean gst_dit_webp_enc_register(GstPlugin* plugin);
