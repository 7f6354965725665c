// SPDX-License-Identifier: MIT
// RGBA pixels as at most 256 colours, one of which may be "nothing".
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace dit::plugin {

struct Paletted {
  std::vector<std::array<std::uint8_t, 3>> colours;  ///< RGB
  std::optional<std::uint8_t> transparent;           ///< this colour's index, if a pixel is transparent
  std::vector<std::uint8_t> indices;                 ///< one a pixel
};

/// Pixels with alpha below `alpha_threshold` become transparent, all others opaque. Up to 256 colours (255 beside the
/// transparent one) are kept exactly; of more, giflib's median cut chooses. No dithering: icons are flat.
Paletted make_palette(std::span<const std::uint8_t> rgba, unsigned alpha_threshold);

}  // namespace dit::plugin
