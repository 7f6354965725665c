// SPDX-License-Identifier: MIT
#version 450
// combine: one solver step, see solver.glsl
//   prediction [B,C,H,W] f32, [2B,C,H,W] if guided   x [B,C,H,W] f32, in place   history [4,B,C,H,W] f32
//   icons [B] Icon   solver [S] SolverRow   solver_row [S,B] u32   normal_pieces [496] vec4
// One invocation per four elements of an icon, groups of 64.
#extension GL_GOOGLE_include_directive : require
#include "shaders/common/params.h"

layout(local_size_x = 64) in;
layout(push_constant) uniform Push { Combine p; };
layout(set = 0, binding = 0, std430) readonly buffer Prediction { float prediction[]; };
layout(set = 0, binding = 1, std430) buffer X { float x_values[]; };
layout(set = 0, binding = 2, std430) buffer History { float history[]; };
#define ICONS_BINDING 3
#define SOLVER_BINDING 4
#define NORMALS_BINDING 6
#define PREDICTION(at) prediction[at]
#define PICTURE(at) x_values[at]
#define HISTORY(at) history[at]
#include "shaders/common/noise.glsl"
#include "shaders/common/solver.glsl"

void main() {
  const uint i = (gl_WorkGroupID.y * gl_NumWorkGroups.x + gl_WorkGroupID.x) * 64u + gl_LocalInvocationIndex;
  solve_four(i, p.batch, p.elements, p.guided, p.step);
}
