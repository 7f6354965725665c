// SPDX-License-Identifier: MIT
// How far two results are apart.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <span>
#include <string>

namespace dit {

/// Largest difference from what is expected over its largest value; infinite where something is no number or missing.
inline double relative_difference(std::span<const float> found, std::span<const float> expected) noexcept {
  double worst = 0, largest = 1e-30;
  for (std::size_t i = 0; i < expected.size(); ++i) {
    const double infinite = std::numeric_limits<double>::infinity();
    const double difference = i < found.size() ? std::fabs(found[i] - double{expected[i]}) : infinite;
    if (!std::isfinite(difference)) return infinite;
    worst = std::max(worst, difference);
    largest = std::max(largest, std::fabs(double{expected[i]}));
  }
  return worst / largest;
}

/// How pictures differ, premultiplied by their alpha: what is clear has no colour to differ in.
struct PictureDifference {
  double share = 0;  ///< of pixels that are off by more than 1 of 255 in some channel
  int largest = 0;   ///< of all channels, 0 … 255
};

/// "0.006 % of pixels off by …", for people.
std::string text_of(const PictureDifference& difference);

/// found, expected  [pixels,4] u8, straight alpha. What is missing is off by 255.
PictureDifference picture_difference(std::span<const std::uint8_t> found, std::span<const std::uint8_t> expected);

/// What Precision::automatic may take in place of f32: at most one pixel in a thousand is off by more than 1, none by
/// more than 16.
bool looks_the_same(const PictureDifference& difference) noexcept;

}  // namespace dit
