// SPDX-License-Identifier: MIT
// A picture that an icon begins with: bytes as people have them, and what the network sees of them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace dit {

/// Refers to bytes of somebody else; what they must outlive is said where a sketch is handed over.
struct Sketch {
  /// [H,W,4] u8, straight alpha, sRGB; empty: the icon begins as noise alone.
  std::span<const std::uint8_t> rgba = {};
  /// [H,W] u8: 255 is painted, 0 stays the sketch, between them a blend of both; empty: everything is painted.
  std::span<const std::uint8_t> mask = {};
  /// 0 … 1: how far the icon may go from it. 0 gives the sketch back, 1 begins with noise alone.
  double strength = 1;

  /// Copies the bytes of a picture of so many pixels to `to`, four a pixel and after them one of the mask, and refers
  /// to those from then on.
  void keep_at(std::uint8_t* to, std::size_t pixels) noexcept;
  /// How far the icon goes: 1 where there is nothing to begin with.
  double effective_strength() const noexcept { return rgba.empty() ? 1 : strength; }
  /// The same bytes in the same place, and the same strength.
  bool operator==(const Sketch& other) const noexcept {
    return rgba.data() == other.rgba.data() && rgba.size() == other.rgba.size() && mask.data() == other.mask.data() &&
           mask.size() == other.mask.size() && strength == other.strength;
  }
};

/// The sketch and noise at a level, see op::Begin and op::Hold.
struct SketchMix {
  float alpha = 0;                     ///< of the sketch
  float sigma = 1;                     ///< of the noise
  std::uint32_t pixels = 0;            ///< H·W
  bool premultiplied = false;          ///< whether the network sees colour · alpha
  const std::uint8_t* rgba = nullptr;  ///< [H,W,4]; null is clear black
  const std::uint8_t* mask = nullptr;  ///< [H,W]; null is 255 everywhere

  /// Element channel·pixels + pixel of the sketch in −1…1: 2/65025 · byte · (alpha byte, or 255) − 1, each rounded.
  float sketch_at(std::uint32_t element) const noexcept;
  /// What an icon begins with, or is held to. z  its noise; a term of weight 0 is not read
  float at(std::uint32_t element, float z) const noexcept;
  /// `painted` where the mask says so, else at(element, z).
  float masked_at(std::uint32_t element, float painted, float z) const noexcept;
};

}  // namespace dit
