// SPDX-License-Identifier: MIT
#version 450
// stage: one stage of a step as a dispatch of its own; see stage.h for what a stage is, stage.glsl and lanes.glsl for the
// variants
//   groups (n, 1, 1): workgroup g takes tiles g, g + n, …
#extension GL_GOOGLE_include_directive : require
#if defined(MATRIX_NV) || defined(MATRIX_KHR) || defined(MATRIX_EMULATED)
#include "lanes.glsl"
#else
#include "stage.glsl"
#endif
#include "stage_constants.glsl"
STAGE_SLOT(0)
#define S(member) c_##member##_of_0
layout(push_constant) uniform Push { StagePush P; };
#include "activation.glsl"
#include "noise.glsl"
#include "stage_places.glsl"
#ifdef MATRIX
#include "lanes_tables.glsl"
#include "stage_overlap.glsl"
#include "stage_picture.glsl"
#include "lanes_left.glsl"
#include "lanes_attention.glsl"
#include "lanes_product.glsl"
#include "lanes_rows.glsl"
#else
#include "stage_tables.glsl"
#include "stage_overlap.glsl"
#include "stage_picture.glsl"
#include "stage_left.glsl"
#include "stage_attention.glsl"
#include "stage_product.glsl"
#endif
#include "stage_run.glsl"

void main() {
  for (uint t = gl_WorkGroupID.x; t < P.tiles; t += gl_NumWorkGroups.x) {
    run_stage(t, P.step);
    run_pointwise(t, P.step);
    barrier();
  }
}
