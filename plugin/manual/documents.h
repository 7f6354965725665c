// SPDX-License-Identifier: MIT
// A plugin as GStreamer's documentation takes it.
#pragma once

#include <gst/gst.h>

#include <string>
#include <vector>

namespace dit::plugin {

/// JSON in the shape of gst_plugins_cache.json, which gst-hotdoc-plugins-scanner writes and Debian does not have.
std::string documents_of(GstPlugin* plugin, const std::vector<GstElementFactory*>& elements);

}  // namespace dit::plugin
