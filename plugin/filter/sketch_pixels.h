// SPDX-License-Identifier: MIT
// A frame -> the sketch that an icon begins with.
#pragma once

#include <gst/video/video.h>

#include <cstdint>
#include <vector>

#include "plugin/shared/sizes.h"

namespace dit::plugin {

/// The frame at the model's size: as it is, or averaged over squares of its pixels, colours weighted by their alpha.
/// Formats without alpha are solid; GRAY8 is the same in every colour.
/// frame  of one of the elements' formats, and a multiple of the model's size
/// rgba   height · width · 4 bytes, straight alpha
void read_sketch(const GstVideoFrame& frame, Size model, std::vector<std::uint8_t>& rgba);

/// See Sketch::mask. Where the sketch is solid it stays, where it is clear it is painted.
std::vector<std::uint8_t> mask_of(const std::vector<std::uint8_t>& rgba);

}  // namespace dit::plugin
