// SPDX-License-Identifier: MIT
// Fragments of 16×16 values on matrix hardware (MATRIX_EMULATED: through shared memory on any device, to test all but
// the hardware's own part). A subgroup of 32 holds one, and it lies in memory as its invocations hold it, so that each
// loads or stores its eight values at once, 16 bytes or 32 of f32, and nothing passes through shared memory on the way
// to a matrix.

// Invocation i holds columns 2t, 2t+1, 2t+8, 2t+9 of row g ("upper") and of row g + 8 ("lower"); g = i/4, t = i%4. They
// lie in this order, but those of an lhs: see quad_of(). An lhs, an rhs (a column of the product in each row) and an
// accumulator are all held so on NVIDIA's hardware, as far as KHR matrices go. Vulkan leaves that open: where it is
// otherwise the self-test sees wrong pictures and f16 is used instead.
#extension GL_EXT_control_flow_attributes : require
#define MATRIX
#ifndef MATRIX_EMULATED
#include "shaders/fused/matrix/extension.glsl"
#extension GL_KHR_shader_subgroup_basic : require
#extension GL_KHR_shader_subgroup_shuffle : require
#endif
#include "shaders/common/half.glsl"
#include "shaders/fused/memory.glsl"

layout(local_size_x_id = 0) in;
layout(constant_id = 0) const uint INVOCATIONS = 64;
layout(constant_id = 1) const uint EXCHANGE = 1;  // fours of floats that subgroups hand each other
layout(constant_id = 2) const uint KEYS = 1;      // fragments of keys of attention
layout(constant_id = 3) const uint HEAD = 1;      // fragments of a head

/// Unrolled, so that arrays become registers.
#define EACH(i, count) [[unroll]] for (uint i = 0u; i < (count); ++i)

const uint SUBGROUPS = INVOCATIONS / 32u;
const uint FRAGMENT = 32u;  // quads of halves; fours of floats are twice as many

shared vec4 exchange[EXCHANGE];
shared vec4 statistics[SUBGROUPS * 8u];  // mean and squares of two rows

#ifdef MATRIX_EMULATED
uint subgroup() { return gl_LocalInvocationIndex / 32u; }
uint invocation() { return gl_LocalInvocationIndex % 32u; }
#else
uint subgroup() { return gl_SubgroupID; }
uint invocation() { return gl_SubgroupInvocationID; }
#endif
/// Rows own_row() and own_row() + 8 of a fragment are this invocation's, columns own_column() + 0, 1, 8, 9.
uint own_row() { return invocation() / 4u; }
uint own_column() { return invocation() % 4u * 2u; }
/// Which column the i-th of an invocation's four values of a row is in.
uint column_of(uint fragment, uint i) { return fragment * 16u + own_column() + (i & 1u) + (i >> 1) * 8u; }

/// What an invocation holds of a fragment, in f32.
struct Fragment {
  vec4 upper, lower;
};

/// An lhs lies as the hardware's registers want it, so that a loaded quad is multiplied without a move.
uvec4 quad_of(Fragment h) { return uvec4(packed(h.upper), packed(h.lower)).xzyw; }
vec4 upper_of(uvec4 quad) { return unpacked(quad.xz); }
vec4 lower_of(uvec4 quad) { return unpacked(quad.yw); }
/// What was stored as an lhs, as an rhs whose columns are its rows.
uvec4 as_rhs(uvec4 quad) { return quad.xzyw; }

#ifdef MATRIX_EMULATED
struct Lhs { uvec4 quad; };
struct Rhs { uvec4 quad; };
#define Accumulator Fragment
shared uvec4 lhs_shared[INVOCATIONS], rhs_shared[INVOCATIONS];
shared float shuffled[INVOCATIONS];
Accumulator no_accumulator() { return Fragment(vec4(0.0), vec4(0.0)); }
Lhs lhs_of(uvec4 quad) { return Lhs(quad); }
Rhs rhs_of(uvec4 quad) { return Rhs(quad); }
Fragment fragment_of(Accumulator s) { return s; }
/// lhs · rhsᵀ + s. All invocations of the workgroup must come here together, as with all that follows.
Accumulator multiply_add(Lhs l, Rhs r, Accumulator s) {
  barrier();
  lhs_shared[local_index()] = l.quad;
  rhs_shared[local_index()] = r.quad;
  barrier();
  const uint subgroup_at = subgroup() * 32u, mine = subgroup_at + own_row() * 4u;
  for (uint k = 0u; k < 4u; ++k) {
    const vec4 upper = upper_of(lhs_shared[mine + k]), lower = lower_of(lhs_shared[mine + k]);
    for (uint i = 0u; i < 4u; ++i) {
      const uvec4 quad = rhs_shared[subgroup_at + (own_column() + (i & 1u)) * 4u + k];
      const vec4 column = unpacked(i < 2u ? quad.xy : quad.zw);
      s.upper[i] += dot(upper, column);
      s.lower[i] += dot(lower, column);
    }
  }
  return s;
}
float of_invocation(float v, uint from) {
  barrier();
  shuffled[local_index()] = v;
  barrier();
  return shuffled[subgroup() * 32u + from];
}
#define MULTIPLY_ADD multiply_add
#else
Accumulator no_accumulator() { return Accumulator(0.0); }
#define SET_FRAGMENT(m, quad)                      \
  [[unroll]] for (uint i = 0u; i < 4u; ++i) {      \
    const f16vec2 pair = unpackFloat2x16(quad[i]); \
    m[2u * i] = pair.x;                            \
    m[2u * i + 1u] = pair.y;                       \
  }
Lhs lhs_of(uvec4 quad) {
  const uvec4 by_row = quad.xzyw;
  Lhs m;
  SET_FRAGMENT(m, by_row)
  return m;
}
#ifdef MATRIX_NV
/// A word of the fragment with rows and columns swapped, from word `w` of two rows of it. NV holds rhs by row.
uint swapped(uint w) {
  const uint from = invocation() % 4u * 8u + invocation() / 8u;
  const uint first = subgroupShuffle(w, from), second = subgroupShuffle(w, from + 4u);
  return invocation() / 4u % 2u == 0u ? (first & 0xffffu) | second << 16 : first >> 16 | (second & 0xffff0000u);
}
Rhs rhs_of(uvec4 quad) {
  Rhs m;
  const uvec4 by_row = uvec4(swapped(quad.x), swapped(quad.z), swapped(quad.y), swapped(quad.w));
  SET_FRAGMENT(m, by_row)
  return m;
}
#else
Rhs rhs_of(uvec4 quad) {
  Rhs m;
  SET_FRAGMENT(m, quad)
  return m;
}
#endif
Fragment fragment_of(Accumulator s) {
  Fragment h;
  [[unroll]] for (uint i = 0u; i < 4u; ++i) {
    h.upper[i] = s[i];
    h.lower[i] = s[4u + i];
  }
  return h;
}
float of_invocation(float v, uint from) { return subgroupShuffle(v, from); }
#endif

/// Sum and largest over the four invocations that share a row.
float row_sum(float v) {
  v += of_invocation(v, invocation() ^ 1u);
  return v + of_invocation(v, invocation() ^ 2u);
}
float row_most(float v) {
  v = max(v, of_invocation(v, invocation() ^ 1u));
  return max(v, of_invocation(v, invocation() ^ 2u));
}

/// Sums of squares of the upper and the lower row.
vec2 squares_of(uvec4 quad) {
  const vec4 upper = upper_of(quad), lower = lower_of(quad);
  return vec2(dot(upper, upper), dot(lower, lower));
}

/// The fragment with rows and columns swapped: the unit matrix times the fragment as an rhs, which is exact.
uvec4 turned(uvec4 quad) {
  const vec4 unit = vec4(equal(uvec4(own_row()), own_column() + uvec4(0u, 1u, 8u, 9u)));
  const vec4 lower = vec4(equal(uvec4(own_row() + 8u), own_column() + uvec4(0u, 1u, 8u, 9u)));
  const Lhs lhs = lhs_of(quad_of(Fragment(unit, lower)));
  return quad_of(fragment_of(MULTIPLY_ADD(lhs, rhs_of(as_rhs(quad)), no_accumulator())));
}

/// 0 where a value's column is not a real one.
vec4 within(vec4 v, uint fragment, uint width) {
  [[unroll]] for (uint i = 0u; i < 4u; ++i) v[i] = column_of(fragment, i) < width ? v[i] : 0.0;
  return v;
}

/// Where a value lies in a tensor of rows, in floats.
uint in_row(uint row, uint column, uint column_fragments) {
  const uint r = row % 16u, c = column % 16u, from = r / 8u * 128u + (r % 8u * 4u + c % 8u / 2u) * 4u;
  return (row / 16u * column_fragments + column / 16u) * 256u + from + c / 8u * 2u + c % 2u;
}

// Fours of values of fragments, in whatever order they lie.
vec4 arena_four(uint at, uint four) { return unpacked(arena_pairs[at * 2u + four]); }
void set_arena_four(uint at, uint four, vec4 v) { arena_pairs[at * 2u + four] = packed(v); }
