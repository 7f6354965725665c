// SPDX-License-Identifier: MIT
// What every stage shares: bindings, blocks of 16×16 values, and products of blocks.
// Variants: f32; HALF: blocks hold f16; MATRIX_NV, MATRIX_KHR: the same, multiplied by matrix hardware. Sums are f32.
// A "warp" is 32 invocations: a subgroup where matrices are used, and elsewhere only a way to share the work.
// Matrices bring the Vulkan memory model with them; the others do without, as Mesa 22.3's software device takes every
// load of that model from shared memory for a barrier.
#extension GL_EXT_control_flow_attributes : require
#if defined(MATRIX_NV) || defined(MATRIX_KHR)
#define HALF
#define MATRIX
#pragma use_vulkan_memory_model
#extension GL_KHR_memory_scope_semantics : require
#define BETWEEN_WORKGROUPS nonprivate
#elif defined(PERSISTENT)
#define BETWEEN_WORKGROUPS coherent
#else
#define BETWEEN_WORKGROUPS
#endif
#ifdef MATRIX
#extension GL_KHR_shader_subgroup_basic : require
#extension GL_KHR_shader_subgroup_shuffle : require
#extension GL_EXT_shader_explicit_arithmetic_types_float16 : require
#endif
#ifdef MATRIX_NV
#extension GL_NV_cooperative_matrix : require
#define LeftBlock fcoopmatNV<16, gl_ScopeSubgroup, 16, 16>
#define RightBlock fcoopmatNV<16, gl_ScopeSubgroup, 16, 16>
#define SumBlock fcoopmatNV<32, gl_ScopeSubgroup, 16, 16>
#define LOAD_BY_ROW(m, memory, at) coopMatLoadNV(m, memory, at, 2u, false)
#define LOAD_BY_COLUMN(m, memory, at) coopMatLoadNV(m, memory, at, 2u, true)
#define LOAD_STAGED_BY_ROW(m, at) coopMatLoadNV(m, tile, at, STAGED_PITCH, false)
#define LOAD_STAGED_BY_COLUMN(m, at) coopMatLoadNV(m, tile, at, STAGED_PITCH, true)
#define STORE_SUM(m, memory, at) coopMatStoreNV(m, memory, at, 16u, false)
#define MULTIPLY_ADD coopMatMulAddNV
#endif
#ifdef MATRIX_KHR
#extension GL_KHR_cooperative_matrix : require
#define LeftBlock coopmat<float16_t, gl_ScopeSubgroup, 16, 16, gl_MatrixUseA>
#define RightBlock coopmat<float16_t, gl_ScopeSubgroup, 16, 16, gl_MatrixUseB>
#define SumBlock coopmat<float, gl_ScopeSubgroup, 16, 16, gl_MatrixUseAccumulator>
#define LOAD_BY_ROW(m, memory, at) coopMatLoad(m, memory, at, 2u, gl_CooperativeMatrixLayoutRowMajor)
#define LOAD_BY_COLUMN(m, memory, at) coopMatLoad(m, memory, at, 2u, gl_CooperativeMatrixLayoutColumnMajor)
#define LOAD_STAGED_BY_ROW(m, at) coopMatLoad(m, tile, at, STAGED_PITCH, gl_CooperativeMatrixLayoutRowMajor)
#define LOAD_STAGED_BY_COLUMN(m, at) coopMatLoad(m, tile, at, STAGED_PITCH, gl_CooperativeMatrixLayoutColumnMajor)
#define STORE_SUM(m, memory, at) coopMatStore(m, memory, at, 16u, gl_CooperativeMatrixLayoutRowMajor)
#define MULTIPLY_ADD coopMatMulAdd
#endif

#include "stage.h"
#include "icon.glsl"

layout(local_size_x_id = 0) in;
layout(constant_id = 0) const uint INVOCATIONS = 64;
layout(constant_id = 1) const uint DOWN = 1;          // blocks that a warp makes of a product
layout(constant_id = 2) const uint ACROSS = 1;
layout(constant_id = 3) const uint AHEAD = 1;         // blocks of the sum loaded before they are multiplied
layout(constant_id = 4) const uint TILE_QUADS = 1;    // shared memory for blocks
layout(constant_id = 5) const uint TILE_FLOATS = 1;   // shared memory for sums
layout(constant_id = 6) const uint KIND = STAGE_ANY;  // the stages this kernel serves
layout(constant_id = 7) const uint LEFT = STAGE_ANY;
layout(constant_id = 8) const uint STORE = STAGE_ANY;
layout(constant_id = 9) const uint CHUNK = 0;         // blocks of the sum staged at a time; 0: none are
layout(constant_id = 10) const uint ROWS = 1;         // blocks of a staged tile
layout(constant_id = 11) const uint COLUMNS = 1;

struct SolverRow {
  float from_x, from_e, a, b0, b1, b2, b3, c, guidance, padding0, padding1, padding2;
};

layout(set = 0, binding = 0, std430) readonly buffer Weights { uvec4 weight_quads[]; };
layout(set = 0, binding = 0, std430) readonly buffer WeightFloats { vec4 weight_floats[]; };
layout(set = 0, binding = 1, std430) BETWEEN_WORKGROUPS buffer Arena { uvec4 arena_quads[]; };
layout(set = 0, binding = 1, std430) BETWEEN_WORKGROUPS buffer ArenaPairs { uvec2 arena_pairs[]; };
layout(set = 0, binding = 1, std430) BETWEEN_WORKGROUPS buffer ArenaFloats4 { vec4 arena_floats4[]; };
layout(set = 0, binding = 1, std430) BETWEEN_WORKGROUPS buffer ArenaFloats { float arena_floats[]; };
layout(set = 0, binding = 2, std430) writeonly buffer Rgba { uint rgba_words[]; };
layout(set = 0, binding = 3, std140) uniform Stages { Stage stages[STAGES_LIMIT]; };
layout(set = 0, binding = 4, std430) readonly buffer Icons { Icon icons[]; };
layout(set = 0, binding = 5, std430) readonly buffer Solver { SolverRow solver[]; };
layout(set = 0, binding = 6, std430) readonly buffer SolverRows { uint solver_row[]; };
layout(set = 0, binding = 7, std430) readonly buffer ModulationRow { uint modulation_row[]; };
layout(set = 0, binding = 8, std430) readonly buffer Normals { vec4 normal_pieces[]; };

shared uvec4 tile[TILE_QUADS];
shared float sums[TILE_FLOATS];

#include "activation.glsl"
#include "noise.glsl"

const uint WARPS = INVOCATIONS / 32u;
#ifdef HALF
const uint BLOCK = 32u;  // quads
#else
const uint BLOCK = 64u;
#endif

uint thread() { return gl_LocalInvocationIndex; }
#ifdef MATRIX
uint warp() { return gl_SubgroupID; }
uint lane() { return gl_SubgroupInvocationID; }
#else
uint warp() { return gl_LocalInvocationIndex / 32u; }
uint lane() { return gl_LocalInvocationIndex % 32u; }
#endif

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

#ifdef MATRIX
const bool OWN_BLOCKS = true;
#define MEET_WARP               \
  {                             \
    subgroupMemoryBarrierShared(); \
    subgroupBarrier();          \
  }
// A staged block's rows start 48 bytes apart, so that the 16 bytes of eight rows lie in different banks.
const uint STAGED_PITCH = 3u;
const uint STAGED_BLOCK = 16u * STAGED_PITCH;
const uint STAGED = (ROWS + COLUMNS) * CHUNK * 32u / INVOCATIONS + (CHUNK == 0u ? 1u : 0u);  // quads an invocation
SumBlock no_sum() { return SumBlock(0.0); }
#else
const bool OWN_BLOCKS = false;
#define MEET_WARP \
  {}
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

/// s += left · rightᵀ, the right block holding a column of the product in each row. `LEFT_FOUR`, `RIGHT_FOUR` read.
#define MULTIPLY_BY_COLUMN(s, LEFT_FOUR, left, RIGHT_FOUR, right)                                        \
  [[unroll]] for (uint k_ = 0u; k_ < 4u; ++k_) {                                                         \
    const vec4 l_ = LEFT_FOUR(left, in_block(lane() % 16u, k_));                                         \
    const uint column_ = (lane() / 16u) * 8u;                                                            \
    [[unroll]] for (uint j_ = 0u; j_ < 4u; ++j_) {                                                       \
      s.low[j_] += dot(l_, RIGHT_FOUR(right, in_block(column_ + j_, k_)));                               \
      s.high[j_] += dot(l_, RIGHT_FOUR(right, in_block(column_ + 4u + j_, k_)));                         \
    }                                                                                                    \
  }
#endif

/// Four values of a modulation table from column `first + at` on; 0 beyond `width`.
vec4 table_four(uint s, uint row_start, uint first, uint at, uint width) {
  const uint from = stages[s].table + row_start + first + at;
  if (stages[s].aligned != 0u && at < width) return arena_floats4[from >> 2];
  vec4 v = vec4(0.0);
  [[unroll]] for (uint i = 0u; i < 4u; ++i)
    if (at + i < width) v[i] = arena_floats[from + i];
  return v;
}

/// Start of the table row that a row of the batch reads.
uint table_row(uint s, uint batch_row, uint step) {
  return modulation_row[step * stages[s].rows + batch_row] * stages[s].table_columns;
}
