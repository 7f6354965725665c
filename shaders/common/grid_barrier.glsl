// SPDX-License-Identifier: MIT
// The barrier of all workgroups of a dispatch, who are no more than the device keeps resident: nobody goes on before
// all have arrived. The including kernel defines CONTROL_BINDING: u32, zero at the start, words CONTROL_… of stage.h;
// SPIN_LIMIT: one that waits for more polls sets the failed flag and does GIVE_UP, and all return: go_on is 0.
// source: Xiao & Feng 2010, "Inter-block GPU communication via fast barrier synchronization"
shared uint go_on;
uint arrivals = 0u;    // of each workgroup so far
bool together = true;  // whether the others are known to have arrived as often

#if defined(MATRIX_NV) || defined(MATRIX_KHR)
layout(set = 0, binding = CONTROL_BINDING, std430) nonprivate buffer Control { uint control[]; };
// A workgroup's writes become known to its first invocation, and from there to the device; and the other way round.
const int in_buffers = gl_StorageSemanticsBuffer;
void join() {
  controlBarrier(gl_ScopeWorkgroup, gl_ScopeWorkgroup, gl_StorageSemanticsBuffer | gl_StorageSemanticsShared,
                 gl_SemanticsAcquireRelease | gl_SemanticsMakeAvailable | gl_SemanticsMakeVisible);
}
void count_arrival() {
  atomicAdd(control[CONTROL_ARRIVED], 1u, gl_ScopeDevice, in_buffers, gl_SemanticsRelease | gl_SemanticsMakeAvailable);
}
uint counted() {
  return atomicLoad(control[CONTROL_ARRIVED], gl_ScopeDevice, in_buffers,
                    gl_SemanticsAcquire | gl_SemanticsMakeVisible);
}
void see_others() {}
#else
layout(set = 0, binding = CONTROL_BINDING, std430) coherent buffer Control { uint control[]; };
void join() {
  memoryBarrier();
  barrier();
}
void count_arrival() {
  memoryBarrierBuffer();
  atomicAdd(control[CONTROL_ARRIVED], 1u);
}
uint counted() { return atomicOr(control[CONTROL_ARRIVED], 0u); }
void see_others() { memoryBarrierBuffer(); }
#endif

/// Tells the others that this workgroup's part is done.
void arrive() {
  join();
  if (gl_LocalInvocationIndex == 0u) count_arrival();
  ++arrivals;
  together = false;
}

/// Waits until all have arrived as often; what each wrote before is then seen by all.
void wait_for_others() {
  if (together) return;
  together = true;
  if (gl_LocalInvocationIndex == 0u) {
    const uint all = arrivals * gl_NumWorkGroups.x;
    uint polls = 0u;
    go_on = 1u;
    while (counted() < all) {
      if (++polls < SPIN_LIMIT && (polls % 256u != 0u || atomicOr(control[CONTROL_FAILED], 0u) == 0u)) continue;
      atomicExchange(control[CONTROL_FAILED], 1u);
      GIVE_UP
      go_on = 0u;
      break;
    }
    see_others();
  }
  join();
}
