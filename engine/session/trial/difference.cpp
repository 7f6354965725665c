// SPDX-License-Identifier: MIT
#include "engine/session/trial/difference.h"

#include <fmt/core.h>

#include <cstdlib>

namespace dit {

std::string text_of(const PictureDifference& difference) {
  return fmt::format("{:.2g} % of pixels off by more than 1 of 255, the farthest by {}", 100 * difference.share,
                     difference.largest);
}

PictureDifference picture_difference(std::span<const std::uint8_t> found, std::span<const std::uint8_t> expected) {
  PictureDifference difference;
  std::size_t off = 0;
  const auto value = [](std::span<const std::uint8_t> pixels, std::size_t i, std::size_t c) {
    return c == 3 ? int{pixels[i + 3]} : (pixels[i + c] * pixels[i + 3] + 127) / 255;
  };
  for (std::size_t i = 0; i + 4 <= expected.size(); i += 4) {
    int most = i + 4 <= found.size() ? 0 : 255;
    for (std::size_t c = 0; c < 4 && most < 255; ++c)
      most = std::max(most, std::abs(value(found, i, c) - value(expected, i, c)));
    off += most > 1;
    difference.largest = std::max(difference.largest, most);
  }
  difference.share = static_cast<double>(off) / static_cast<double>(std::max<std::size_t>(expected.size() / 4, 1));
  return difference;
}

bool looks_the_same(const PictureDifference& difference) noexcept {
  return difference.share <= 1e-3 && difference.largest <= 16;
}

}  // namespace dit
