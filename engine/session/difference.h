// SPDX-License-Identifier: MIT
// How far two results are apart.
#pragma once

#include <algorithm>
#include <cmath>
#include <limits>
#include <span>

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

}  // namespace dit
