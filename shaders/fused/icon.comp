// SPDX-License-Identifier: MIT
#version 450
// icon: all stages of all steps in one dispatch; the workgroups stay and meet at a barrier after every stage
//   control [16] u32, zero at the start   range [8] u32: barriers, then steps and stages to run, see stage.h
//   status u32: set to 1 if the dispatch gave up
// Groups (n, 1, 1), n no more than the device keeps resident: nobody leaves a barrier before all have come. One that waits
// for more than push.spin_limit polls sets the failed flag, and everybody leaves.
// source: Xiao & Feng 2010, "Inter-block GPU communication via fast barrier synchronization"
#extension GL_GOOGLE_include_directive : require
#define PERSISTENT
#include "shaders/fused/portable/fragments.glsl"
layout(push_constant) uniform Push { PersistentPush push; };
layout(set = 0, binding = 9, std430) BETWEEN_WORKGROUPS buffer Control { uint control[]; };
layout(set = 0, binding = 10, std430) readonly buffer Range { uint range[]; };
layout(set = 0, binding = 11, std430) writeonly buffer Status { uint status; };
shared uint go_on;
uint stage_at;
#define S(member) stages[stage_at].member
#define P stages[stage_at]
#include "shaders/common/activation.glsl"
#include "shaders/common/noise.glsl"
#include "shaders/fused/places.glsl"
#include "shaders/fused/portable/tables.glsl"
#include "shaders/fused/overlap.glsl"
#include "shaders/fused/picture.glsl"
#include "shaders/fused/portable/lhs.glsl"
#include "shaders/fused/portable/attention.glsl"
#include "shaders/fused/portable/product.glsl"
#include "shaders/fused/run.glsl"

void meet() {
  memoryBarrier();
  barrier();
}
void order_memory() { memoryBarrierBuffer(); }
uint control_word(uint i) { return atomicOr(control[i], 0u); }

/// Waits until all workgroups have come `times` times; what each wrote before is then seen by all. False: given up.
bool grid_barrier(uint times) {
  meet();
  if (thread() == 0u) {
    order_memory();
    atomicAdd(control[CONTROL_ARRIVED], 1u);
    const uint all = times * gl_NumWorkGroups.x;
    uint polls = 0u;
    go_on = 1u;
    while (control_word(CONTROL_ARRIVED) < all) {
      if (++polls < push.spin_limit && control_word(CONTROL_FAILED) == 0u) continue;
      atomicExchange(control[CONTROL_FAILED], 1u);
      status = 1u;
      go_on = 0u;
      break;
    }
    order_memory();
  }
  meet();
  return go_on != 0u;
}

void main() {
  const uint last_step = range[RANGE_LAST_STEP], last_stage = range[RANGE_LAST_STAGE];
  uint times = 0u;
  for (uint i = range[RANGE_BARRIERS]; i > 0u; --i)
    if (!grid_barrier(++times)) return;
  for (uint step = range[RANGE_FIRST_STEP]; step < last_step; ++step) {
    for (uint s = range[RANGE_FIRST_STAGE]; s < last_stage; ++s) {
      stage_at = s;
      if (idle_stage(step, last_step)) continue;
      for (uint t = gl_WorkGroupID.x; t < S(tiles); t += gl_NumWorkGroups.x) {
        run_stage(t, step);
        run_pointwise(t, step);
        barrier();
      }
      if (!grid_barrier(++times)) return;
    }
  }
}
