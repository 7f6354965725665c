// SPDX-License-Identifier: MIT
// The element-wise loops. Units [first, last) of the work: any split gives the same bits.
#pragma once

#include <cstddef>
#include <cstdint>

#include "engine/executor.h"

namespace dit::cpu {

/// out [B·T,C·V·V] = windows of x [B,C,H,W], see op::Embed. A unit is a token.
struct Patches {
  const float* x = nullptr;
  std::size_t channels = 0, height = 0, width = 0, patch = 0, window = 0;
  float* out = nullptr;
};
void patches(const Patches& patches, std::size_t first, std::size_t last) noexcept;
/// The way back: y [R,C,H,W] from features [R·T,C·V·V], see op::Final. A unit is a token, which writes its own patch.
struct Unpatches {
  const float* features = nullptr;
  std::size_t channels = 0, height = 0, width = 0, patch = 0, window = 0;
  float* y = nullptr;
};
void unpatches(const Unpatches& unpatches, std::size_t first, std::size_t last) noexcept;

/// See op::Combine, for one icon. A unit is an element of the icon.
struct Combine {
  const float* conditional = nullptr;
  const float* unconditional = nullptr;  ///< null without guidance
  float* x = nullptr;
  float* history[4] = {};  ///< history[i] is dᵢ: d0 is written, the others are read
  SolverRow row;
  std::uint32_t draw = 0;
  IconPoint icon;
};
void combine(const Combine& combine, std::size_t first, std::size_t last) noexcept;

/// See op::ToRgba, for one icon. A unit is a pixel.
struct ToRgba {
  const float* x = nullptr;  ///< [C,pixels], C is 3 or 4
  std::size_t channels = 0, pixels = 0;
  bool premultiplied = false;
  Rounding rounding = Rounding::nearest;
  std::uint8_t* rgba = nullptr;  ///< [pixels,4]
};
void to_rgba(const ToRgba& to_rgba, std::size_t first, std::size_t last) noexcept;

}  // namespace dit::cpu
