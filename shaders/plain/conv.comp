// SPDX-License-Identifier: MIT
#version 450
// conv: y = [x +] act(conv3×3([x, picture]) + bias), one pixel of zeros around
//   x [R,F,H,W] f32   picture [B,C,H,W] f32, C ≥ 0; row r reads icon r mod B   weight [O,F+C,3,3] any type
//   bias [O] f32, read if has_bias   y [R,O,H,W] f32, must not alias x or picture
// A product of the 9·(F+C) values around each pixel. Any sizes. Groups (⌈O/32⌉, ⌈H·W/32⌉, R).
#extension GL_GOOGLE_include_directive : require
#include "shaders/common/params.h"

layout(push_constant) uniform Push { Conv p; };
layout(set = 0, binding = 0, std430) readonly buffer X { float x_values[]; };
#define WEIGHT_BINDING 1
layout(set = 0, binding = 2, std430) readonly buffer Bias { float bias[]; };
layout(set = 0, binding = 3, std430) readonly buffer Picture { float picture[]; };
layout(set = 0, binding = 4, std430) writeonly buffer Y { float y_values[]; };
#include "shaders/plain/gemm.glsl"
#include "shaders/common/activation.glsl"

/// at: line and column above and left of the pixel, the first channel of x, and of the picture beside it. Above or left
/// of the image these wrap round, and are then far beyond its size.
Row row_of(uint row) {
  const uint image = gl_WorkGroupID.z, beside = p.inputs / 9u - p.channels;
  return Row(uvec4(row / p.width - 1u, row % p.width - 1u, image * p.channels, image % p.batch * beside), vec2(0.0));
}

/// Value k of the 9·(F+C) around a pixel of this group's image.
float around(Row row, uint k) {
  const uint channel = k / 9u, y = row.at.x + k % 9u / 3u, x = row.at.y + k % 3u;
  if (y >= p.height || x >= p.width) return 0.0;
  if (channel < p.channels) return x_values[((row.at.z + channel) * p.height + y) * p.width + x];
  return picture[((row.at.w + channel - p.channels) * p.height + y) * p.width + x];
}

vec4 lhs4(Row row, uint k) {
  const uint remaining = p.inputs - k;
  return vec4(around(row, k), remaining > 1u ? around(row, k + 1u) : 0.0, remaining > 2u ? around(row, k + 2u) : 0.0,
              remaining > 3u ? around(row, k + 3u) : 0.0);
}

void store(uint row, uint column, float value) {
  if (p.has_bias != 0u) value += bias[column];
  value = activated(value, p.activation);
  const uint at = (gl_WorkGroupID.z * p.outputs + column) * p.rows + row;
  y_values[at] = p.residual != 0u ? x_values[at] + value : value;
}

void main() { gemm(); }
