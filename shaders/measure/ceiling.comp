// SPDX-License-Identifier: MIT
#version 450
// ceiling: what the device can do at most, for the shares that `dit bench` prints. One rate a variant:
//   COPY    b[i] = a[i] for i < p.quads
//   FMA     p.repeats · 32 multiply-adds an invocation, in f32, from registers
//   MATRIX  p.repeats · 8 products of 16×16×16 a subgroup, from registers
//   BARRIER p.repeats barriers of all workgroups, as persistent.comp has them
//   EMPTY   nothing; another WHICH is another pipeline
// a, b [p.quads] quads of 16 bytes, b at least a word an invocation; b starts as zeros for BARRIER. Groups (n, 1, 1).
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#if defined(MATRIX_NV) || defined(MATRIX_KHR)
#include "shaders/fused/matrix/extension.glsl"
#define MATRIX
#endif
#include "shaders/common/params.h"
#include "shaders/common/stage.h"
layout(local_size_x = 256) in;
layout(constant_id = 0) const uint WHICH = 0;
layout(push_constant) uniform Push { Ceiling p; };
layout(set = 0, binding = 0, std430) readonly buffer A { uvec4 a[]; };
#if defined(COPY)
layout(set = 0, binding = 1, std430) writeonly buffer B { uvec4 b[]; };
void main() {
  const uint stride = gl_NumWorkGroups.x * gl_WorkGroupSize.x;
  for (uint i = gl_GlobalInvocationID.x; i < p.quads; i += stride) b[i] = a[i];
}
#elif defined(FMA)
layout(set = 0, binding = 1, std430) writeonly buffer B { float b[]; };
void main() {
  const float factor = uintBitsToFloat(a[0].x), more = uintBitsToFloat(a[0].y);
  float sums[32];
  [[unroll]] for (uint i = 0u; i < 32u; ++i) sums[i] = float(gl_LocalInvocationIndex + i);
  for (uint n = 0u; n < p.repeats; ++n)
    [[unroll]] for (uint i = 0u; i < 32u; ++i) sums[i] = fma(sums[i], factor, more);
  float total = 0.0;
  [[unroll]] for (uint i = 0u; i < 32u; ++i) total += sums[i];
  b[gl_GlobalInvocationID.x] = total;
}
#elif defined(MATRIX)
layout(set = 0, binding = 1, std430) writeonly buffer B { float b[]; };
void main() {
  Lhs lhs[2];
  Rhs rhs[4];
  Accumulator sums[8];
  [[unroll]] for (uint i = 0u; i < 2u; ++i) LOAD_BY_ROW(lhs[i], a, i * 32u, 2u);
  [[unroll]] for (uint i = 0u; i < 4u; ++i) LOAD_BY_ROW(rhs[i], a, (2u + i) * 32u, 2u);
  [[unroll]] for (uint i = 0u; i < 8u; ++i) sums[i] = Accumulator(0.0);
  for (uint n = 0u; n < p.repeats; ++n)
    [[unroll]] for (uint i = 0u; i < 8u; ++i) sums[i] = MULTIPLY_ADD(lhs[i & 1u], rhs[i >> 1], sums[i]);
  [[unroll]] for (uint i = 0u; i < 8u; ++i)
    STORE_ACCUMULATOR(sums[i], b, (gl_GlobalInvocationID.x / 32u * 8u + i) * 256u);
}
#elif defined(BARRIER)
#define CONTROL_BINDING 1
#define SPIN_LIMIT p.spin_limit
#define GIVE_UP
#include "shaders/common/grid_barrier.glsl"
void main() {
  for (uint n = 0u; n < p.repeats; ++n) {
    arrive();
    wait_for_others();
    if (go_on == 0u) return;
  }
}
#else
layout(set = 0, binding = 1, std430) writeonly buffer B { uint b[]; };
void main() {
  if (WHICH > 0u && p.repeats == 0u) b[0] = WHICH;  // never; but it makes another kernel of it
}
#endif
