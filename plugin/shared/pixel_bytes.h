// SPDX-License-Identifier: MIT
// Where the components of a pixel lie in one of the elements' formats, all of which have one plane.
#pragma once

#include <gst/video/video.h>

#include <cstddef>

namespace dit::plugin {

/// Byte positions inside a pixel, from GStreamer's own description of the format.
struct PixelBytes {
  explicit PixelBytes(const GstVideoFormatInfo* info) noexcept
      : size(static_cast<std::size_t>(GST_VIDEO_FORMAT_INFO_PSTRIDE(info, 0))),
        r(static_cast<std::size_t>(GST_VIDEO_FORMAT_INFO_POFFSET(info, GST_VIDEO_COMP_R))),
        g(static_cast<std::size_t>(GST_VIDEO_FORMAT_INFO_POFFSET(info, GST_VIDEO_COMP_G))),
        b(static_cast<std::size_t>(GST_VIDEO_FORMAT_INFO_POFFSET(info, GST_VIDEO_COMP_B))),
        fourth(6 - r - g - b) {}

  std::size_t size, r, g, b;
  std::size_t fourth;  ///< alpha or padding: of 0+1+2+3 what r, g and b leave; meaningless in 3-byte pixels
};

}  // namespace dit::plugin
