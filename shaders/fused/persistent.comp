// SPDX-License-Identifier: MIT
#version 450
// icon_matrix: all stages of all steps in one dispatch, on matrix hardware. Each kind of stage has code of its own, a slot,
// with its sizes as constants; workgroups wait for each other as late as a stage allows, and meanwhile ask for its weights.
//   control [16] u32, zero at the start   range [8] u32: barriers, then steps and stages to run, see stage.h
//   status u32: set to 1 if the dispatch gave up
// Groups (n, 1, 1), n no more than the device keeps resident: nobody goes on before all have come. One that waits for more
// than push.spin_limit polls sets the failed flag, and everybody leaves.
// source: Xiao & Feng 2010, "Inter-block GPU communication via fast barrier synchronization"
#extension GL_GOOGLE_include_directive : require
#define PERSISTENT
#include "shaders/fused/matrix/fragments.glsl"
layout(push_constant) uniform Push { PersistentPush push; };
layout(set = 0, binding = 9, std430) BETWEEN_WORKGROUPS buffer Control { uint control[]; };
layout(set = 0, binding = 10, std430) readonly buffer Range { uint range[]; };
layout(set = 0, binding = 11, std430) writeonly buffer Status { uint status; };
shared uint go_on;
uint stage_at;
#define P stages[stage_at]
#include "shaders/common/activation.glsl"
#include "shaders/common/noise.glsl"
#define S(member) stages[stage_at].member
#include "shaders/fused/places.glsl"
#include "shaders/fused/matrix/tables.glsl"
#include "shaders/fused/overlap.glsl"
#include "shaders/fused/picture.glsl"
#undef S
#include "variants.glsl"

uint arrivals = 0u;    // of each workgroup so far
bool together = true;  // whether the others are known to have come as often

#ifdef MATRIX_EMULATED
void meet() {
  memoryBarrier();
  barrier();
}
void count_arrival() {
  memoryBarrierBuffer();
  atomicAdd(control[CONTROL_ARRIVED], 1u);
}
uint counted() { return atomicOr(control[CONTROL_ARRIVED], 0u); }
void see_others() { memoryBarrierBuffer(); }
#else
// A workgroup's writes become known to its first invocation, and from there to the device; and the other way round.
const int in_buffers = gl_StorageSemanticsBuffer;
void meet() {
  controlBarrier(gl_ScopeWorkgroup, gl_ScopeWorkgroup, gl_StorageSemanticsBuffer | gl_StorageSemanticsShared,
                 gl_SemanticsAcquireRelease | gl_SemanticsMakeAvailable | gl_SemanticsMakeVisible);
}
void count_arrival() {
  atomicAdd(control[CONTROL_ARRIVED], 1u, gl_ScopeDevice, in_buffers, gl_SemanticsRelease | gl_SemanticsMakeAvailable);
}
uint counted() {
  return atomicLoad(control[CONTROL_ARRIVED], gl_ScopeDevice, in_buffers, gl_SemanticsAcquire | gl_SemanticsMakeVisible);
}
void see_others() {}
#endif

/// Tells the others that this workgroup's part of a stage is done.
void arrive() {
  meet();
  if (thread() == 0u) count_arrival();
  ++arrivals;
  together = false;
}

void await_others() {
  if (together) return;
  together = true;
  if (thread() == 0u) {
    const uint all = arrivals * gl_NumWorkGroups.x;
    uint polls = 0u;
    go_on = 1u;
    while (counted() < all) {
      if (++polls < push.spin_limit && (polls % 256u != 0u || atomicOr(control[CONTROL_FAILED], 0u) == 0u)) continue;
      atomicExchange(control[CONTROL_FAILED], 1u);
      status = 1u;
      go_on = 0u;
      break;
    }
    see_others();
  }
  meet();
}

#define TILES(run)                                                             \
  for (uint t = gl_WorkGroupID.x; t < P.tiles; t += gl_NumWorkGroups.x) {      \
    run(t, step);                                                              \
    if (t + gl_NumWorkGroups.x < P.tiles) barrier();                           \
  }
#define CASE(variant) \
  case variant:       \
    TILES(run_stage_of_##variant) break;

void run_variant(uint step) {
  switch (P.variant) {
    EACH_VARIANT(CASE)
    default:
      await_others();
      TILES(run_pointwise)
  }
}

void main() {
  const uint last_step = range[RANGE_LAST_STEP], last_stage = range[RANGE_LAST_STAGE];
  for (uint i = range[RANGE_BARRIERS]; i > 0u; --i) {
    arrive();
    await_others();
    if (go_on == 0u) return;
  }
  for (uint step = range[RANGE_FIRST_STEP]; step < last_step; ++step) {
    for (uint at = range[RANGE_FIRST_STAGE]; at < last_stage; ++at) {
      stage_at = at;
      if (idle_stage(step, last_step)) continue;
      run_variant(step);
      await_others();  // those without a tile, too: arrivals are counted for all stages together
      if (arrivals > 0u && go_on == 0u) return;
      arrive();
    }
  }
}
