// SPDX-License-Identifier: MIT
// The man page of an element.
#pragma once

#include <gst/gst.h>

#include <filesystem>

namespace dit::plugin {

/// Writes NAME.7 into `folder`, from what the element says of itself.
void write_page(const std::filesystem::path& folder, GstPlugin* plugin, GstElementFactory* factory);

}  // namespace dit::plugin
