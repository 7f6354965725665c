// SPDX-License-Identifier: MIT
// What a frame's metas become on its icon.
#pragma once

#include <gst/video/video.h>

namespace dit::plugin {

/// Whether the meta is to be copied as it is. One that knows of sizes is scaled here where the sizes differ.
bool keep_meta(const GstVideoInfo& in, const GstVideoInfo& out, GstBuffer* input, GstMeta* meta, GstBuffer* output);

}  // namespace dit::plugin
