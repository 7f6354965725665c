// SPDX-License-Identifier: MIT
// The engine's picture -> bytes of a negotiated format.
#pragma once

#include <gst/video/video.h>

#include <cstdint>
#include <span>

namespace dit::plugin {

/// Writes a picture row by row, respecting the frame's stride. The frame has one of the element's formats, and the
/// picture's size or an integer multiple of it, to which every pixel is repeated.
/// rgba        height · width · 4 bytes, straight alpha
/// width       of the picture, in pixels
/// background  0xAARRGGBB; formats without alpha show the picture over it, its own alpha is ignored.
///             GRAY8 is the BT.709 luma of that composite.
void write_picture(std::span<const std::uint8_t> rgba, std::uint32_t width, std::uint32_t background,
                   GstVideoFrame& frame) noexcept;

}  // namespace dit::plugin
