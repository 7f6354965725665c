// SPDX-License-Identifier: MIT
#include "plugin/source/frames/pixels.h"

#include <array>
#include <cstring>

#include "plugin/shared/pixel_bytes.h"

namespace dit::plugin {
namespace {

using Rgb = std::array<std::uint8_t, 3>;

/// colour · alpha + background · (1 − alpha), to the nearest of 256 levels (255 is odd, so there are no ties).
std::uint8_t blend(std::uint8_t colour, std::uint8_t background, std::uint8_t alpha) noexcept {
  const unsigned sum = unsigned{colour} * alpha + unsigned{background} * (255U - alpha);
  return static_cast<std::uint8_t>((sum + 127U) / 255U);
}

/// source  ITU-R BT.709-6, 3.2: 0.2126 R + 0.7152 G + 0.0722 B
std::uint8_t luma(const Rgb& rgb) noexcept {
  return static_cast<std::uint8_t>((2126U * rgb[0] + 7152U * rgb[1] + 722U * rgb[2] + 5000U) / 10000U);
}

}  // namespace

void write_picture(std::span<const std::uint8_t> rgba, std::uint32_t width, std::uint32_t background,
                   GstVideoFrame& frame) noexcept {
  const GstVideoFormatInfo* info = frame.info.finfo;
  const bool gray = GST_VIDEO_FORMAT_INFO_IS_GRAY(info);
  const bool alpha = GST_VIDEO_FORMAT_INFO_HAS_ALPHA(info);
  const PixelBytes bytes(info);
  const Rgb under = {static_cast<std::uint8_t>(background >> 16), static_cast<std::uint8_t>(background >> 8),
                     static_cast<std::uint8_t>(background)};
  const std::size_t height = rgba.size() / 4 / width;
  const std::size_t factor = static_cast<std::size_t>(GST_VIDEO_FRAME_HEIGHT(&frame)) / height;
  const auto stride = static_cast<std::size_t>(GST_VIDEO_FRAME_PLANE_STRIDE(&frame, 0));
  auto* row = static_cast<std::uint8_t*>(GST_VIDEO_FRAME_PLANE_DATA(&frame, 0));
  const std::uint8_t* in = rgba.data();
  for (std::size_t y = 0; y < height; ++y, row += factor * stride) {
    std::uint8_t* out = row;
    for (std::size_t x = 0; x < width; ++x, in += 4, out += factor * bytes.size) {
      Rgb rgb = {in[0], in[1], in[2]};
      if (!alpha) {
        for (std::size_t i = 0; i < 3; ++i) rgb[i] = blend(rgb[i], under[i], in[3]);
      }
      if (gray) {
        out[0] = luma(rgb);
      } else {
        out[bytes.r] = rgb[0];
        out[bytes.g] = rgb[1];
        out[bytes.b] = rgb[2];
        if (bytes.size == 4) out[bytes.fourth] = alpha ? in[3] : 255;
      }
      for (std::size_t i = 1; i < factor; ++i) std::memcpy(out + i * bytes.size, out, bytes.size);
    }
    for (std::size_t i = 1; i < factor; ++i) std::memcpy(row + i * stride, row, factor * width * bytes.size);
  }
}

}  // namespace dit::plugin
