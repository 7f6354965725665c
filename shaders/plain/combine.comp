// SPDX-License-Identifier: MIT
#version 450
// combine: one solver step, icon b with its solver row w; e = prediction
//   e' = w.guidance·e[b] + (1−w.guidance)·e[B+b]    (e[b] if not guided)
//   d0 = w.from_x·x + w.from_e·e'                   kept in history slot step mod 4
//   x  ← w.a·x + Σᵢ w.b[i]·dᵢ + w.c·z               dᵢ = history slot (step − i) mod 4, z = normals of draw row + 1
//   prediction [R,C,H,W] f32   x [B,C,H,W] f32, in place   history [4,B,C,H,W] f32   icons [B] Icon
//   solver [S] rows of 12 words (engine/network/sampler.h)   solver_row [S,B] u32   normal_pieces [496] vec4
// A term whose coefficient is 0 is not read, so that stale history never leaks in.
// One invocation per four elements of an icon, groups of 64.
#extension GL_GOOGLE_include_directive : require
#include "shaders/common/params.h"
#include "shaders/fused/icon.glsl"

struct SolverRow {
  float from_x, from_e, a, b0, b1, b2, b3, c, guidance, padding0, padding1, padding2;
};

layout(local_size_x = 64) in;
layout(push_constant) uniform Push { Combine p; };
layout(set = 0, binding = 0, std430) readonly buffer Prediction { float prediction[]; };
layout(set = 0, binding = 1, std430) buffer X { float x_values[]; };
layout(set = 0, binding = 2, std430) buffer History { float history[]; };
layout(set = 0, binding = 3, std430) readonly buffer Icons { Icon icons[]; };
layout(set = 0, binding = 4, std430) readonly buffer Solver { SolverRow solver[]; };
layout(set = 0, binding = 5, std430) readonly buffer SolverRows { uint solver_row[]; };
layout(set = 0, binding = 6, std430) readonly buffer Normals { vec4 normal_pieces[]; };
#include "shaders/common/noise.glsl"

/// Where element `at` of the difference made `back` steps ago lies.
uint slot(uint back, uint at) { return ((p.step - back) & 3u) * (p.batch * p.elements) + at; }

float combined(SolverRow w, uint at, float z) {
  const float x = x_values[at];
  float e = 0.0;
  if (p.guided == 0u) {
    e = prediction[at];
  } else {
    if (w.guidance != 0.0) e += w.guidance * prediction[at];
    if (w.guidance != 1.0) e += (1.0 - w.guidance) * prediction[p.batch * p.elements + at];
  }
  float d = 0.0;
  if (w.from_x != 0.0) d += w.from_x * x;
  if (w.from_e != 0.0) d += w.from_e * e;
  history[slot(0u, at)] = d;
  float result = 0.0;
  if (w.a != 0.0) result += w.a * x;
  if (w.b0 != 0.0) result += w.b0 * d;
  if (w.b1 != 0.0) result += w.b1 * history[slot(1u, at)];
  if (w.b2 != 0.0) result += w.b2 * history[slot(2u, at)];
  if (w.b3 != 0.0) result += w.b3 * history[slot(3u, at)];
  if (w.c != 0.0) result += w.c * z;
  return result;
}

void main() {
  const uint i = (gl_WorkGroupID.y * gl_NumWorkGroups.x + gl_WorkGroupID.x) * 64u + gl_LocalInvocationIndex;
  const uint quads = (p.elements + 3u) / 4u, icon = i / quads, quad = i % quads;
  if (icon >= p.batch) return;
  const uint row = solver_row[p.step * p.batch + icon];
  const SolverRow w = solver[row];
  vec4 z = vec4(0.0);
  if (w.c != 0.0) z = normals(icon, row + 1u, quad);
  for (uint j = 0u; j < 4u && quad * 4u + j < p.elements; ++j) {
    const uint at = icon * p.elements + quad * 4u + j;
    x_values[at] = combined(w, at, z[j]);
  }
}
