// SPDX-License-Identifier: MIT
#version 450
// head_norm: x·weight/√(mean(x²) + eps) over each head of the first N·D columns, in place
//   x [M,columns] f32, columns ≥ N·D   weight [D] f32
// One invocation a row and head, groups of 64. source: Zhang & Sennrich 2019 (arXiv 1910.07467) eq. 4
#extension GL_GOOGLE_include_directive : require
#include "shaders/common/params.h"

layout(local_size_x = 64) in;
layout(push_constant) uniform Push { HeadNorm p; };
layout(set = 0, binding = 0, std430) buffer X { float x_values[]; };
layout(set = 0, binding = 1, std430) readonly buffer Weight { float weight[]; };

void main() {
  const uint i = (gl_WorkGroupID.y * gl_NumWorkGroups.x + gl_WorkGroupID.x) * 64u + gl_LocalInvocationIndex;
  if (i >= p.rows * p.heads) return;
  const uint first = i / p.heads * p.columns + i % p.heads * p.head_dim;
  float squares = 0.0;
  for (uint d = 0u; d < p.head_dim; ++d) squares += x_values[first + d] * x_values[first + d];
  const float factor = 1.0 / sqrt(squares / float(p.head_dim) + p.eps);
  for (uint d = 0u; d < p.head_dim; ++d) x_values[first + d] *= factor * weight[d];
}
