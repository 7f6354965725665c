// SPDX-License-Identifier: MIT
#version 450
// noise: x[b] = normals of draw 0 for each icon b whose solver row at this step is 0; other icons keep theirs
//   x [B,C,H,W] f32   icons [B] Icon   solver_row [S,B] u32   normal_pieces [496] vec4
// One invocation per four elements of an icon, groups of 64. source: Salmon et al. 2011, see engine/network/noise.h
#extension GL_GOOGLE_include_directive : require
#include "shaders/common/params.h"

layout(local_size_x = 64) in;
layout(push_constant) uniform Push { Noise p; };
layout(set = 0, binding = 0, std430) writeonly buffer X { float x_values[]; };
#define ICONS_BINDING 1
layout(set = 0, binding = 2, std430) readonly buffer SolverRows { uint solver_row[]; };
#define NORMALS_BINDING 3
#include "shaders/common/noise.glsl"

void main() {
  const uint i = (gl_WorkGroupID.y * gl_NumWorkGroups.x + gl_WorkGroupID.x) * 64u + gl_LocalInvocationIndex;
  const uint quads = (p.elements + 3u) / 4u, icon = i / quads, quad = i % quads;
  if (icon >= p.batch || solver_row[p.step * p.batch + icon] != 0u) return;
  const vec4 z = normals(icon, 0u, quad);
  for (uint j = 0u; j < 4u && quad * 4u + j < p.elements; ++j) x_values[icon * p.elements + quad * 4u + j] = z[j];
}
