// SPDX-License-Identifier: MIT
#version 450
// to_rgba: x to bytes, see picture.glsl
//   x [B,C,H,W] f32, C = 4 if premultiplied, else 3   rgba [B,H,W,4] u8, one word a pixel
// One invocation per pixel, groups of 64.
#extension GL_GOOGLE_include_directive : require
#include "shaders/common/params.h"
#include "shaders/common/picture.glsl"

layout(local_size_x = 64) in;
layout(push_constant) uniform Push { ToRgba p; };
layout(set = 0, binding = 0, std430) readonly buffer X { float x_values[]; };
layout(set = 0, binding = 1, std430) writeonly buffer Rgba { uint rgba[]; };

void main() {
  const uint i = (gl_WorkGroupID.y * gl_NumWorkGroups.x + gl_WorkGroupID.x) * 64u + gl_LocalInvocationIndex;
  if (i >= p.batch * p.pixels) return;
  const uint at = i / p.pixels * p.channels * p.pixels + i % p.pixels;
  const float alpha = p.premultiplied != 0u ? x_values[at + 3u * p.pixels] : 1.0;
  rgba[i] = rgba_word(vec4(x_values[at], x_values[at + p.pixels], x_values[at + 2u * p.pixels], alpha),
                      p.premultiplied, p.round_down);
}
