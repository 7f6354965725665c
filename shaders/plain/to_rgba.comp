// SPDX-License-Identifier: MIT
#version 450
// to_rgba: x in −1…1 to bytes, straight alpha; v = clamp((x+1)/2, 0, 1), byte = ⌊255·v + ½⌋, or ⌊255·v⌋
//   x [B,C,H,W] f32, C = 4 if premultiplied (colour = min(v_c, a)/a, all 0 where the alpha byte is 0), else 3 (alpha 255)
//   rgba [B,H,W,4] u8, one word a pixel, red in the low byte
// One invocation per pixel, groups of 64.
#extension GL_GOOGLE_include_directive : require
#include "shaders/common/params.h"

layout(local_size_x = 64) in;
layout(push_constant) uniform Push { ToRgba p; };
layout(set = 0, binding = 0, std430) readonly buffer X { float x_values[]; };
layout(set = 0, binding = 1, std430) writeonly buffer Rgba { uint rgba[]; };

float unit(uint icon, uint channel, uint pixel) {
  const float v = (x_values[(icon * p.channels + channel) * p.pixels + pixel] + 1.0) * 0.5;
  return v > 0.0 ? min(v, 1.0) : 0.0;  // NaN becomes 0; clamp() may give anything
}

uint byte_of(float v) { return uint(floor(v * 255.0 + (p.round_down != 0u ? 0.0 : 0.5))); }

void main() {
  const uint i = (gl_WorkGroupID.y * gl_NumWorkGroups.x + gl_WorkGroupID.x) * 64u + gl_LocalInvocationIndex;
  if (i >= p.batch * p.pixels) return;
  const uint icon = i / p.pixels, pixel = i % p.pixels;
  vec3 colour = vec3(unit(icon, 0u, pixel), unit(icon, 1u, pixel), unit(icon, 2u, pixel));
  uint alpha = 255u;
  if (p.premultiplied != 0u) {
    const float a = unit(icon, 3u, pixel);
    alpha = byte_of(a);
    colour = alpha == 0u ? vec3(0.0) : min(colour, vec3(a)) / a;
  }
  rgba[i] = byte_of(colour.r) | byte_of(colour.g) << 8 | byte_of(colour.b) << 16 | alpha << 24;
}
