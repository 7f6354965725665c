// SPDX-License-Identifier: MIT
// A pixel in −1…1 to bytes: v = clamp((x + 1)/2, 0, 1), byte = ⌊255·v + ½⌋, or ⌊255·v⌋ if rounded down.

float unit(float x) {
  const float v = (x + 1.0) * 0.5;
  return v > 0.0 ? min(v, 1.0) : 0.0;  // NaN becomes 0; clamp() may give anything
}

/// A pixel that no picture has: clear, and yet coloured. Whoever reads the picture takes it for what it is, an error.
const uint not_finite = 0x00ffffffu;

bool is_finite(float x) { return (floatBitsToUint(x) & 0x7f800000u) != 0x7f800000u; }

uint byte_of(float v, uint round_down) { return uint(floor(v * 255.0 + (round_down != 0u ? 0.0 : 0.5))); }

/// Straight alpha, red in the low byte. If premultiplied, colour = min(v_c, a)/a, all 0 where the alpha byte is 0; else
/// alpha is 255, and x.a is not used.
uint rgba_word(vec4 x, uint premultiplied, uint round_down) {
  if (!(is_finite(x.r) && is_finite(x.g) && is_finite(x.b) && is_finite(x.a))) return not_finite;
  vec3 colour = vec3(unit(x.r), unit(x.g), unit(x.b));
  uint alpha = 255u;
  if (premultiplied != 0u) {
    const float a = unit(x.a);
    alpha = byte_of(a, round_down);
    colour = alpha == 0u ? vec3(0.0) : min(colour, vec3(a)) / a;
  }
  return byte_of(colour.r, round_down) | byte_of(colour.g, round_down) << 8 | byte_of(colour.b, round_down) << 16 |
         alpha << 24;
}
