// SPDX-License-Identifier: MIT
#version 450
// embed: y = windows(x) Wᵀ + bias + position        patch embedding of DiT (arXiv 2212.09748) §3.2
//   x [B,C,H,W] f32   weight [D,C·V·V] any type   bias [D] f32, read if has_bias   position [T,D] f32 or f16
//   y [R,T,D] f32, must not alias x; row r reads icon r mod B
// Token = gy·(W/P)+gx, feature = c·V²+wy·V+wx; a window of V ≥ P pixels is centred on its patch, zero outside the
// image. Any sizes. Groups (⌈D/32⌉, ⌈R·T/32⌉, 1).
#extension GL_GOOGLE_include_directive : require
#include "shaders/common/params.h"

layout(constant_id = 1) const bool POSITION_F16 = false;
layout(constant_id = 2) const bool OVERLAP = false;  // V > P

layout(push_constant) uniform Push { Embed p; };
layout(set = 0, binding = 0, std430) readonly buffer X { float x_values[]; };
#define WEIGHT_BINDING 1
layout(set = 0, binding = 2, std430) readonly buffer Bias { float bias[]; };
layout(set = 0, binding = 3, std430) readonly buffer Position { uint position_words[]; };
layout(set = 0, binding = 4, std430) writeonly buffer Y { float y_values[]; };
#include "shaders/plain/gemm.glsl"

/// at: the first channel of the icon, then line and column of the patch, of its window where those overlap. Above or
/// left of the image these wrap round, and are then far beyond its size.
Row row_of(uint row) {
  const uint icon = (row / p.tokens) % p.batch, token = row % p.tokens, across = p.width / p.patch_size;
  const uint border = OVERLAP ? (p.window_size - p.patch_size) / 2u : 0u;
  const uint y = token / across * p.patch_size - border, x = token % across * p.patch_size - border;
  return Row(uvec4(icon * p.channels, y, x, 0u), vec2(0.0));
}

float pixel(Row row, uint k) {
  const uint size = OVERLAP ? p.window_size : p.patch_size, channel = k / (size * size), at = k % (size * size);
  const uint y = row.at.y + at / size, x = row.at.z + at % size;
  if (OVERLAP && (y >= p.height || x >= p.width)) return 0.0;
  return x_values[((row.at.x + channel) * p.height + y) * p.width + x];
}

vec4 lhs4(Row row, uint k) {
  const uint remaining = p.inputs - k;
  return vec4(pixel(row, k), remaining > 1u ? pixel(row, k + 1u) : 0.0, remaining > 2u ? pixel(row, k + 2u) : 0.0,
              remaining > 3u ? pixel(row, k + 3u) : 0.0);
}

float position(uint i) {
  if (POSITION_F16) return unpackHalf2x16(position_words[i >> 1])[i & 1u];
  return uintBitsToFloat(position_words[i]);
}

void store(uint row, uint column, float value) {
  if (p.has_bias != 0u) value += bias[column];
  y_values[row * p.outputs + column] = value + position((row % p.tokens) * p.outputs + column);
}

void main() { gemm(); }
