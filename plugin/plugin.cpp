// SPDX-License-Identifier: MIT
// Registration of plugin `dit`. Opens no device and no model: gst-inspect must work on a machine with neither.
#include <gst/gst.h>

#include "plugin/encoders/apngmux.h"
#include "plugin/encoders/gifenc.h"
#include "plugin/encoders/icomux.h"
#include "plugin/encoders/sheet.h"
#include "plugin/encoders/webpenc.h"
#include "plugin/filter/ditfilter.h"
#include "plugin/source/ditsrc.h"

#define PACKAGE "ditsrc"

static gboolean plugin_init(GstPlugin* plugin) {
  // No rank: autovideosrc must not take a painter for a camera. URI handlers are found without one.
  return gst_element_register(plugin, "ditsrc", GST_RANK_NONE, GST_TYPE_DIT_SRC) &&        //
         gst_element_register(plugin, "ditfilter", GST_RANK_NONE, GST_TYPE_DIT_FILTER) &&  //
         gst_dit_webp_enc_register(plugin) &&                                              //
         gst_dit_apng_mux_register(plugin) &&                                              //
         gst_dit_gif_enc_register(plugin) &&                                               //
         gst_dit_ico_mux_register(plugin) &&                                               //
         gst_dit_sheet_register(plugin);
}

GST_PLUGIN_DEFINE(GST_VERSION_MAJOR, GST_VERSION_MINOR, dit, "Icons painted by a diffusion transformer", plugin_init,
                  DIT_VERSION, "MIT/X11", "ditsrc", "https://github.com/ditsrc/ditsrc")
