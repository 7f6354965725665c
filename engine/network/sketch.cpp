// SPDX-License-Identifier: MIT
#include "engine/network/sketch.h"

#include <algorithm>

namespace dit {

void Sketch::keep_at(std::uint8_t* to, std::size_t pixels) noexcept {
  const auto keep = [](std::span<const std::uint8_t>& bytes, std::uint8_t* at) {
    if (bytes.empty()) return;
    std::ranges::copy(bytes, at);
    bytes = {at, bytes.size()};
  };
  keep(rgba, to);
  keep(mask, to + 4 * pixels);
}

// Additions and multiplications only, each rounded, as in shaders/common/sketch.glsl: the same bits on every device.

float SketchMix::sketch_at(std::uint32_t element) const noexcept {
  if (rgba == nullptr) return -1.f;
  const std::uint32_t channel = element / pixels;
  const std::uint8_t* pixel = rgba + std::size_t{4} * (element % pixels);
  const std::uint32_t weight = premultiplied && channel < 3 ? pixel[3] : 255u;
  return static_cast<float>(pixel[channel] * weight) * (2.f / 65025.f) - 1.f;
}

float SketchMix::at(std::uint32_t element, float z) const noexcept {
  if (alpha == 0.f) return sigma * z;
  const float picture = alpha * sketch_at(element);
  return sigma == 0.f ? picture : picture + sigma * z;
}

float SketchMix::masked_at(std::uint32_t element, float painted, float z) const noexcept {
  const std::uint32_t share = mask == nullptr ? 255u : mask[element % pixels];
  if (share == 255u) return painted;
  const float kept = at(element, z);
  if (share == 0u) return kept;
  const float weight = static_cast<float>(share) * (1.f / 255.f);
  return weight * painted + (1.f - weight) * kept;
}

}  // namespace dit
