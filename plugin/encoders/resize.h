// SPDX-License-Identifier: MIT
// RGBA pictures in other sizes, as icons want it.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace dit::plugin {

/// `rgba`, width×height, as size×size with the picture's proportions: centred, the rest transparent.
///
/// Every pixel is the mean of the area that it covers, in linear light and weighted by alpha, so a dark rim cannot leak
/// from transparent pixels. Enlarging by a whole number therefore repeats pixels exactly; the same size is a copy.
std::vector<std::uint8_t> resize_icon(std::span<const std::uint8_t> rgba, int width, int height, int size);

}  // namespace dit::plugin
