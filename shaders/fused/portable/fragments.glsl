// SPDX-License-Identifier: MIT
// Fragments of 16×16 values without matrix hardware, row by row, f32 or halves (HALF); sums are f32. A subgroup is here
// 32 invocations that share work, whether or not the driver runs them as one. No Vulkan memory model, since Mesa 22.3's
// software device takes every load of that model from shared memory for a barrier.
#extension GL_EXT_control_flow_attributes : require
#include "shaders/common/half.glsl"
#include "shaders/fused/memory.glsl"

layout(local_size_x_id = 0) in;
layout(constant_id = 0) const uint INVOCATIONS = 64;
layout(constant_id = 1) const uint DOWN = 1;  // fragments of a product that a subgroup computes
layout(constant_id = 2) const uint ACROSS = 1;
layout(constant_id = 3) const uint DEPTH_STEP = 1;   // fragments of the depth loaded before they are multiplied
layout(constant_id = 4) const uint TILE_QUADS = 1;   // shared memory for fragments
layout(constant_id = 5) const uint TILE_FLOATS = 1;  // shared memory for sums
layout(constant_id = 6) const uint CHUNK = 0;        // fragments of the depth in shared memory at a time; 0: none
layout(constant_id = 7) const uint ROWS = 1;         // fragments of a tile in shared memory
layout(constant_id = 8) const uint COLUMNS = 1;
layout(constant_id = 9) const uint ROOM = 1;          // accumulators that a subgroup has room for in shared memory
layout(constant_id = 10) const uint KEPT_EIGHTS = 4;  // eights of a row that an invocation keeps while it is normed

shared uvec4 tile[TILE_QUADS];
shared float sums[TILE_FLOATS];

const uint SUBGROUPS = INVOCATIONS / 32u;
#ifdef HALF
const uint FRAGMENT = 32u;  // quads
#else
const uint FRAGMENT = 64u;
#endif

uint subgroup() { return gl_LocalInvocationIndex / 32u; }
uint invocation() { return gl_LocalInvocationIndex % 32u; }

/// Where values 4·c … 4·c + 3 of row r lie in a fragment, counted in fours of values.
uint in_fragment(uint r, uint c) { return r * 4u + c; }

#ifdef HALF
/// Four values of a tensor of fragments in the arena. `four` is counted in fours of values from quad `at` on.
vec4 arena_four(uint at, uint four) { return unpacked(arena_pairs[at * 2u + four]); }
void set_arena_four(uint at, uint four, vec4 v) { arena_pairs[at * 2u + four] = packed(v); }
vec4 tile_four(uint at, uint four) {
  const uvec4 quad = tile[at + four / 2u];
  return unpacked((four & 1u) == 0u ? quad.xy : quad.zw);
}
vec4 weight_four(uint at, uint four) {
  const uvec4 quad = weight_quads[at + four / 2u];
  return unpacked((four & 1u) == 0u ? quad.xy : quad.zw);
}
/// Eight values at once, since a shared quad cannot be written in halves by two invocations.
void set_tile_eight(uint at, uint eight, vec4 low, vec4 high) { tile[at + eight] = uvec4(packed(low), packed(high)); }
/// Values of a quad.
const uint QUAD_VALUES = 8u;
float quad_value(uvec4 quad, uint i) { return unpackHalf2x16(quad[i / 2u])[i % 2u]; }
#else
vec4 arena_four(uint at, uint four) { return arena_floats4[at + four]; }
void set_arena_four(uint at, uint four, vec4 v) { arena_floats4[at + four] = v; }
vec4 tile_four(uint at, uint four) { return uintBitsToFloat(tile[at + four]); }
vec4 weight_four(uint at, uint four) { return weight_floats[at + four]; }
void set_tile_eight(uint at, uint eight, vec4 low, vec4 high) {
  tile[at + 2u * eight] = floatBitsToUint(low);
  tile[at + 2u * eight + 1u] = floatBitsToUint(high);
}
const uint QUAD_VALUES = 4u;
float quad_value(uvec4 quad, uint i) { return uintBitsToFloat(quad[i]); }
#endif

// Rows of a line of CHUNK fragments start 16 bytes further apart than they must, so that eight of them lie in
// different banks.
const uint ROW_QUADS = FRAGMENT / 16u;
const uint CHUNK_PITCH = CHUNK * ROW_QUADS + 1u;
const uint CHUNK_LINE = 16u * CHUNK_PITCH;
const uint CHUNK_TILE = (ROWS + COLUMNS) * CHUNK_LINE;
const bool TWO_TILES = TILE_QUADS >= 2u * CHUNK_TILE;  // one is filled while the other is read
// Quads an invocation.
const uint CHUNK_QUADS = (ROWS + COLUMNS) * CHUNK * FRAGMENT / INVOCATIONS + (CHUNK == 0u ? 1u : 0u);

// A fragment to multiply is a note of where it lies, read when it is multiplied.
const uint in_tile = 0u, in_arena_quads = 1u, in_weight_quads = 2u;
struct Lhs { uint memory, at, pitch; };
struct Rhs { uint memory, at, pitch; };
#define LOAD_LHS(m, memory, at, pitch) m = Lhs(in_##memory, at, pitch)
#define LOAD_RHS(m, memory, at, pitch) m = Rhs(in_##memory, at, pitch)
// The invocations of a subgroup lie eight below each other and four across. Of a fragment of a product each has two rows,
// eight apart, of four neighbouring columns: of every value of both sides that it reads it makes four or two products.
uint own_row() { return invocation() / 4u; }
uint own_column() { return invocation() % 4u; }
/// Row own_row() and row 8 + own_row() of columns 4·own_column() on.
struct Accumulator { vec4 low, high; };
Accumulator no_accumulator() { return Accumulator(vec4(0.0), vec4(0.0)); }

#define STORE_ACCUMULATOR(m, memory, at) store_accumulator(m, at)
void store_accumulator(Accumulator s, uint at) {
  const uint to = at + own_row() * 16u + own_column() * 4u;
  [[unroll]] for (uint i = 0u; i < 4u; ++i) {
    sums[to + i] = s.low[i];
    sums[to + 128u + i] = s.high[i];
  }
}

vec4 fragment_four(uint memory, uint at, uint pitch, uint row, uint four) {
  const uint from = row * (pitch * 4u / ROW_QUADS) + four;
  return memory == in_tile          ? tile_four(at, from)
         : memory == in_arena_quads ? arena_four(at, from)
                                    : weight_four(at, from);
}

/// accumulator + lhs · rhsᵀ, the rhs with a column of the product in each row. Sums grow a product at a time, which
/// compilers make one instruction each of; of dot() they make an addition more for every four.
Accumulator multiply_add(Lhs l, Rhs r, Accumulator accumulator) {
  [[unroll]] for (uint k = 0u; k < 4u; ++k) {
    const vec4 low = fragment_four(l.memory, l.at, l.pitch, own_row(), k);
    const vec4 high = fragment_four(l.memory, l.at, l.pitch, own_row() + 8u, k);
    vec4 rhs[4];
    [[unroll]] for (uint j = 0u; j < 4u; ++j)
      rhs[j] = fragment_four(r.memory, r.at, r.pitch, own_column() * 4u + j, k);
    [[unroll]] for (uint c = 0u; c < 4u; ++c) {
      [[unroll]] for (uint j = 0u; j < 4u; ++j) {
        accumulator.low[j] += low[c] * rhs[j][c];
        accumulator.high[j] += high[c] * rhs[j][c];
      }
    }
  }
  return accumulator;
}
#define MULTIPLY_ADD multiply_add

/// Where a value lies in a tensor of rows, in floats.
uint in_row(uint row, uint column, uint column_fragments) { return row * column_fragments * 16u + column; }
