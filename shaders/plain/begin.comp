// SPDX-License-Identifier: MIT
#version 450
// begin: x[b] = what an icon b begins with, where its solver row at this step is its first, see sketch.glsl
//   x [B,C,H,W] f32, in place   sketches [B,H·W] u32, then [B,H·W] u8   icons [B] Icon   solver [S] SolverRow
//   solver_row [S,B] u32   normal_pieces [496] vec4
// One invocation per four elements of an icon, groups of 64.
#extension GL_GOOGLE_include_directive : require
#include "shaders/common/params.h"

layout(local_size_x = 64) in;
layout(push_constant) uniform Push { Sketched p; };
layout(set = 0, binding = 0, std430) buffer X { float x_values[]; };
layout(set = 0, binding = 1, std430) readonly buffer Sketches { uint sketch_words[]; };
#define ICONS_BINDING 2
#define SOLVER_BINDING 3
#define NORMALS_BINDING 5
#define PICTURE(at) x_values[at]
#define SKETCH(at) sketch_words[at]
#include "shaders/common/noise.glsl"
#include "shaders/common/sketch.glsl"

void main() {
  const uint i = (gl_WorkGroupID.y * gl_NumWorkGroups.x + gl_WorkGroupID.x) * 64u + gl_LocalInvocationIndex;
  begin_four(i, p.batch, p.elements, p.pixels, p.premultiplied, p.step);
}
