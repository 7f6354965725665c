// SPDX-License-Identifier: MIT
#version 450
// dispatch: one stage of a step as a dispatch of its own, on matrix hardware or without; see stage.h.
// Groups (n, 1, 1): workgroup g takes tiles g, g + n, …
#extension GL_GOOGLE_include_directive : require
#if defined(MATRIX_NV) || defined(MATRIX_KHR) || defined(MATRIX_EMULATED)
#include "shaders/fused/matrix/fragments.glsl"
#else
#include "shaders/fused/portable/fragments.glsl"
#endif
#include "shaders/fused/constants.glsl"
layout(push_constant) uniform Push { StagePush P; };
#include "shaders/fused/formulas.glsl"
void wait_for_others() {}  // a dispatch of its own need not
#define VARIANT 0
#ifdef MATRIX
#include "shaders/fused/variant.glsl"
#else
STAGE_FIELDS(CONSTANT, SIZE, CONSTANT)
#include "shaders/fused/places.glsl"
#include "shaders/fused/portable/tables.glsl"
#include "shaders/fused/context.glsl"
#include "shaders/fused/portable/lhs.glsl"
#include "shaders/fused/portable/attention.glsl"
#include "shaders/fused/portable/product.glsl"
#include "shaders/fused/overlap.glsl"
#include "shaders/fused/run.glsl"
#endif
#include "shaders/fused/picture.glsl"

void main() {
  for (uint t = gl_WorkGroupID.x; t < P.tiles; t += gl_NumWorkGroups.x) {
    run_stage(t, P.step);
    run_pointwise(t, P.step);
    barrier();
  }
}
