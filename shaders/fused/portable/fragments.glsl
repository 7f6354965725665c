// SPDX-License-Identifier: MIT
// What the stages share that need no matrix hardware: blocks of 16×16 values, row by row, and products of them.
// Variants: f32; HALF: blocks hold f16. Sums are f32. A "warp" is 32 invocations that share work, no subgroup.
// They do without the Vulkan memory model, as Mesa 22.3's software device takes every load of that model from shared
// memory for a barrier.
#extension GL_EXT_control_flow_attributes : require
#include "shaders/fused/memory.glsl"

layout(local_size_x_id = 0) in;
layout(constant_id = 0) const uint INVOCATIONS = 64;
layout(constant_id = 1) const uint DOWN = 1;          // blocks that a warp makes of a product
layout(constant_id = 2) const uint ACROSS = 1;
layout(constant_id = 3) const uint AHEAD = 1;         // blocks of the sum loaded before they are multiplied
layout(constant_id = 4) const uint TILE_QUADS = 1;    // shared memory for blocks
layout(constant_id = 5) const uint TILE_FLOATS = 1;   // shared memory for sums
layout(constant_id = 6) const uint CHUNK = 0;         // blocks of the sum staged at a time; 0: none are
layout(constant_id = 7) const uint ROWS = 1;          // blocks of a staged tile
layout(constant_id = 8) const uint COLUMNS = 1;
layout(constant_id = 9) const uint SLOTS = 1;         // blocks of sums a warp has room for in shared memory
layout(constant_id = 10) const uint HELD = 4;         // eights of a row that an invocation keeps while it is normed

shared uvec4 tile[TILE_QUADS];
shared float sums[TILE_FLOATS];


const uint WARPS = INVOCATIONS / 32u;
#ifdef HALF
const uint BLOCK = 32u;  // quads
#else
const uint BLOCK = 64u;
#endif

uint warp() { return gl_LocalInvocationIndex / 32u; }
uint lane() { return gl_LocalInvocationIndex % 32u; }

/// Where values 4·c … 4·c + 3 of row r lie in a block, counted in fours of values.
uint in_block(uint r, uint c) { return r * 4u + c; }

#ifdef HALF
uvec2 packed(vec4 v) {
  // Beyond the largest half a value would become infinite, and all that follows NaN.
  v = clamp(v, -65504.0, 65504.0);
  return uvec2(packHalf2x16(v.xy), packHalf2x16(v.zw));
}
vec4 unpacked(uvec2 v) { return vec4(unpackHalf2x16(v.x), unpackHalf2x16(v.y)); }
/// Four values of a tensor of blocks in the arena. `four` is counted in fours of values from quad `at` on.
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
#else
vec4 arena_four(uint at, uint four) { return arena_floats4[at + four]; }
void set_arena_four(uint at, uint four, vec4 v) { arena_floats4[at + four] = v; }
vec4 tile_four(uint at, uint four) { return uintBitsToFloat(tile[at + four]); }
vec4 weight_four(uint at, uint four) { return weight_floats[at + four]; }
void set_tile_eight(uint at, uint eight, vec4 low, vec4 high) {
  tile[at + 2u * eight] = floatBitsToUint(low);
  tile[at + 2u * eight + 1u] = floatBitsToUint(high);
}
#endif

// Rows of a staged line of CHUNK blocks start 16 bytes further apart than they must, so that eight of them lie in
// different banks.
const uint ROW_QUADS = BLOCK / 16u;
const uint STAGED_PITCH = CHUNK * ROW_QUADS + 1u;
const uint STAGED_LINE = 16u * STAGED_PITCH;
const uint STAGED_TILE = (ROWS + COLUMNS) * STAGED_LINE;
const bool TWO_TILES = TILE_QUADS >= 2u * STAGED_TILE;  // one is filled while the other is read
const uint STAGED = (ROWS + COLUMNS) * CHUNK * BLOCK / INVOCATIONS + (CHUNK == 0u ? 1u : 0u);  // quads an invocation

// A block to multiply is a note of where it lies, read when it is multiplied.
const uint in_tile = 0u, in_arena_quads = 1u, in_weight_quads = 2u;
struct LeftBlock { uint memory, at, pitch; };
struct RightBlock { uint memory, at, pitch; };
#define LOAD_LEFT(m, memory, at, pitch) m = LeftBlock(in_##memory, at, pitch)
#define LOAD_RIGHT(m, memory, at, pitch) m = RightBlock(in_##memory, at, pitch)
/// Eight neighbouring values of one row of a block: row lane % 16, columns 8·(lane / 16) on.
struct SumBlock { vec4 low, high; };
SumBlock no_sum() { return SumBlock(vec4(0.0), vec4(0.0)); }

#define STORE_SUM(m, memory, at) store_sum(m, at)
void store_sum(SumBlock s, uint at) {
  const uint to = at + (lane() % 16u) * 16u + (lane() / 16u) * 8u;
  [[unroll]] for (uint i = 0u; i < 4u; ++i) {
    sums[to + i] = s.low[i];
    sums[to + 4u + i] = s.high[i];
  }
}

vec4 block_four(uint memory, uint at, uint pitch, uint row, uint four) {
  const uint from = row * (pitch * 4u / ROW_QUADS) + four;
  return memory == in_tile ? tile_four(at, from) : memory == in_arena_quads ? arena_four(at, from) : weight_four(at, from);
}

/// sum + left · rightᵀ, the right block holding a column of the product in each row.
SumBlock multiply_add(LeftBlock l, RightBlock r, SumBlock sum) {
  const uint column = (lane() / 16u) * 8u;
  [[unroll]] for (uint k = 0u; k < 4u; ++k) {
    const vec4 left = block_four(l.memory, l.at, l.pitch, lane() % 16u, k);
    [[unroll]] for (uint j = 0u; j < 4u; ++j) {
      sum.low[j] += dot(left, block_four(r.memory, r.at, r.pitch, column + j, k));
      sum.high[j] += dot(left, block_four(r.memory, r.at, r.pitch, column + 4u + j, k));
    }
  }
  return sum;
}
#define MULTIPLY_ADD multiply_add

/// Where a value lies in a tensor of rows, in floats.
uint in_row(uint row, uint column, uint column_fragments) { return row * column_fragments * 16u + column; }
