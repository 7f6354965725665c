// SPDX-License-Identifier: MIT
// Whether the rows of a frame lie in the memory that they are read from.
#pragma once

#include <gst/video/video.h>

#include <cstddef>

namespace dit::plugin {

/// Bytes of the mapped memory that the rows of a frame of one plane need; SIZE_MAX where one lies before it. A buffer's
/// GstVideoMeta says where its rows are, and GStreamer, when it maps them, looks whether the first byte is there.
std::size_t bytes_needed(const GstVideoFrame& frame) noexcept;

/// Bytes of memory that the frame was mapped from.
inline std::size_t bytes_mapped(const GstVideoFrame& frame) noexcept { return frame.map[0].size; }

}  // namespace dit::plugin
