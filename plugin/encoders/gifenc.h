// SPDX-License-Identifier: MIT
// ditgifenc: RGBA frames -> one animated GIF, written by giflib as the frames come.
#pragma once

#include <gst/gst.h>

gboolean gst_dit_gif_enc_register(GstPlugin* plugin);
