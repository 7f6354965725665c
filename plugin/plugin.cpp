// SPDX-License-Identifier: MIT
// Registration of plugin `dit`. Opens no device and no model: gst-inspect must work on a machine with neither.
#include <gst/gst.h>

#include "plugin/ditsrc.h"

#define PACKAGE "ditsrc"

static gboolean plugin_init(GstPlugin* plugin) {
  return gst_element_register(plugin, "ditsrc", GST_RANK_NONE, GST_TYPE_DIT_SRC);
}

GST_PLUGIN_DEFINE(GST_VERSION_MAJOR, GST_VERSION_MINOR, dit, "Icons painted by a diffusion transformer", plugin_init,
                  DIT_VERSION, "MIT/X11", "ditsrc", "https://github.com/ditsrc/ditsrc")
