// SPDX-License-Identifier: MIT
#version 450
// overlap_add: y = sum of the tokens' windows, each V×V pixels centred on the token's patch of P×P
//   features [R·T,C·V·V] f32 from final   y [R,C,H,W] f32
// Each pixel adds the windows over it in the order of the tokens, so the sum is the same on every run.
// One invocation per element of y, groups of 64.
#extension GL_GOOGLE_include_directive : require
#include "shaders/common/params.h"

layout(local_size_x = 64) in;
layout(push_constant) uniform Push { OverlapAdd p; };
layout(set = 0, binding = 0, std430) readonly buffer Features { float features[]; };
layout(set = 0, binding = 1, std430) writeonly buffer Y { float y_values[]; };

/// Grid lines x … y−1 whose windows cover pixel `at` of an axis with `count` patches.
uvec2 cover(uint at, uint border, uint count) {
  const uint reach = p.patch_size + border;
  return uvec2(at >= reach ? (at - reach) / p.patch_size + 1u : 0u, min(count, (at + border) / p.patch_size + 1u));
}

void main() {
  const uint i = (gl_WorkGroupID.y * gl_NumWorkGroups.x + gl_WorkGroupID.x) * 64u + gl_LocalInvocationIndex;
  if (i >= p.images * p.channels * p.height * p.width) return;
  const uint x = i % p.width, y = i / p.width % p.height, c = i / (p.width * p.height) % p.channels;
  const uint image = i / (p.width * p.height * p.channels);
  const uint across = p.width / p.patch_size, down = p.height / p.patch_size;
  const uint border = (p.window_size - p.patch_size) / 2u;
  const uvec2 rows = cover(y, border, down), columns = cover(x, border, across);
  float sum = 0.0;
  for (uint gy = rows.x; gy < rows.y; ++gy) {
    for (uint gx = columns.x; gx < columns.y; ++gx) {
      const uint window = ((image * down + gy) * across + gx) * p.channels + c;
      const uint line = y + border - gy * p.patch_size, column = x + border - gx * p.patch_size;
      sum += features[(window * p.window_size + line) * p.window_size + column];
    }
  }
  y_values[i] = sum;
}
