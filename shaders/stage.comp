// SPDX-License-Identifier: MIT
#version 450
// stage: one stage of a step as a dispatch of its own; see stage.h for what a stage is and stage.glsl for the variants
//   groups (n, 1, 1): workgroup g takes tiles g, g + n, …
#extension GL_GOOGLE_include_directive : require
#include "stage.glsl"
layout(push_constant) uniform Push { StagePush p; };
#include "stage_constants.glsl"
#include "stage_left.glsl"
#include "stage_attention.glsl"
#include "stage_picture.glsl"
#include "stage_product.glsl"
#include "stage_run.glsl"

void main() {
  S = specialised_stage(p);
  for (uint t = gl_WorkGroupID.x; t < S.tiles; t += gl_NumWorkGroups.x) {
    run_stage(t, p.step);
    barrier();
  }
}
