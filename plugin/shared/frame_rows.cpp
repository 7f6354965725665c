// SPDX-License-Identifier: MIT
#include "plugin/shared/frame_rows.h"

#include <algorithm>
#include <cstdint>

namespace dit::plugin {

std::size_t bytes_needed(const GstVideoFrame& frame) noexcept {
  const auto* first = static_cast<const guint8*>(GST_VIDEO_FRAME_PLANE_DATA(&frame, 0));
  const std::int64_t begin = first - frame.map[0].data;
  const std::int64_t row =
      std::int64_t{GST_VIDEO_FRAME_WIDTH(&frame)} * GST_VIDEO_FORMAT_INFO_PSTRIDE(frame.info.finfo, 0);
  // From the first row to the last; backwards where a picture is stored upside down.
  const std::int64_t rows = std::int64_t{GST_VIDEO_FRAME_HEIGHT(&frame) - 1} * GST_VIDEO_FRAME_PLANE_STRIDE(&frame, 0);
  if (begin + std::min<std::int64_t>(rows, 0) < 0) return SIZE_MAX;
  return static_cast<std::size_t>(begin + std::max<std::int64_t>(rows, 0) + row);
}

}  // namespace dit::plugin
