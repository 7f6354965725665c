// SPDX-License-Identifier: MIT
// Counter-based noise: normals as a pure function of (seed, index, draw, element), the same bits on every device.
// Philox4x32-10 (Salmon et al. 2011) for the integers; a piecewise cubic of the inverse normal distribution function,
// evaluated with additions and multiplications only, for the normals: those are exactly rounded everywhere, while
// sin, cos, log and sqrt are not.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string_view>

#include "engine/network/sketch.h"

namespace dit {

/// One icon's place in the noise: an icon is a pure function of (weights, settings, seed, index).
struct IconKey {
  std::uint64_t seed = 0;
  std::uint64_t index = 0;
  bool operator==(const IconKey&) const = default;
};

/// Where an icon begins: a place on the great circle from one icon's noise to another's: z = cos(π/2·blend)·z_from +
/// sin(π/2·blend)·z_toward, which keeps every z a standard normal. blend 0 is `from` to the bit, and 1 is `toward`.
struct IconPoint {
  IconKey from = {};
  IconKey toward = {};
  double blend = 0;    ///< 0 … 1
  Sketch sketch = {};  ///< and the picture to begin with, if there is one
  bool operator==(const IconPoint&) const = default;
};

/// The two weights of a blend, in f32; from IEEE-exact operations only, so that they are the same on every host.
struct BlendWeights {
  float from = 1;
  float toward = 0;
};
BlendWeights blend_weights(double blend) noexcept;

/// Philox4x32-10. source: Salmon, Moraes, Dror, Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011.
std::array<std::uint32_t, 4> philox4x32(std::array<std::uint32_t, 4> counter,
                                        std::array<std::uint32_t, 2> key) noexcept;

/// Intervals of the inverse distribution: octave (31 of them), then 16 equal pieces, 4 coefficients each.
inline constexpr std::uint32_t normal_octaves = 31;
inline constexpr std::uint32_t normal_pieces = 16;

/// Coefficients c0…c3 of each piece, [octave][piece][4]: 31·16·4 floats; the same on every host.
/// z = ((c3·f + c2)·f + c1)·f + c0, f in [0,1) the position inside the piece.
std::span<const float> normal_table() noexcept;

/// One standard normal from 32 random bits. Bit 31 is the sign; the others, m, give the tail probability p = k/2³² with
/// k = min(m + 1, 2³¹ − 1). Octave o is the position of k's highest bit, the next 4 bits are the piece, the 27 below
/// them (the lowest 3 dropped, zeros shifted in) the position f in units of 2⁻²⁴.
float normal_from_bits(std::uint32_t bits) noexcept;

/// Normals for elements [first, first + out.size()) of draw `draw` of icon (seed, index).
/// Element e is word e mod 4 of philox(counter = {e/4, draw, index low, index high}, key = {seed low, seed high}).
/// draw  0 is the start of the icon, k + 1 the noise added by its step k, from 0
void fill_normals(std::uint64_t seed, std::uint64_t index, std::uint32_t draw, std::uint32_t first,
                  std::span<float> out) noexcept;

/// The same for a point between two icons, each draw blended with the same weights (products and sum each rounded).
void fill_normals(const IconPoint& point, std::uint32_t draw, std::uint32_t first, std::span<float> out) noexcept;

/// The seed that a name owns: FNV-1a over its UTF-8 bytes, then the splitmix64 finaliser. Fixed for ever.
std::uint64_t seed_from_name(std::string_view name) noexcept;

}  // namespace dit
