// SPDX-License-Identifier: MIT
// What stages read and write, whichever kernels run them. A kernel that runs many of them sees the arena through several
// types, which GLSL has no word to mark as aliases of each other: unmarked, what was read through one of them may be kept
// while another is written.
#if defined(PERSISTENT) && (defined(MATRIX_NV) || defined(MATRIX_KHR))
#extension GL_EXT_spirv_intrinsics : require
#define ALIASED spirv_decorate(20)  // Aliased
#else
#define ALIASED
#endif
// A dispatch of one stage ends before another reads what it wrote; only a persistent one must hand it on itself.
#if !defined(PERSISTENT)
#define BETWEEN_WORKGROUPS
#elif defined(MATRIX_NV) || defined(MATRIX_KHR)
#define BETWEEN_WORKGROUPS nonprivate
#else
#define BETWEEN_WORKGROUPS coherent
#endif

// What is never written may be loaded at any time, and drivers load it late: vectors only after the wait that should have
// hidden them. Matrices are better off so.
#if defined(PERSISTENT) && (defined(MATRIX_NV) || defined(MATRIX_KHR))
#define WEIGHT_VECTORS ALIASED nonprivate
#else
#define WEIGHT_VECTORS readonly
#endif

#include "shaders/common/stage.h"
#include "shaders/fused/icon.glsl"

struct SolverRow {
  float from_x, from_e, a, b0, b1, b2, b3, c, guidance, padding0, padding1, padding2;
};

layout(set = 0, binding = 0, std430) readonly buffer Weights { uvec4 weight_quads[]; };
layout(set = 0, binding = 0, std430) readonly buffer WeightFloats { vec4 weight_floats[]; };
layout(set = 0, binding = 0, std430) WEIGHT_VECTORS buffer WeightFloats2 { vec2 weight_floats2[]; };
layout(set = 0, binding = 1, std430) ALIASED BETWEEN_WORKGROUPS buffer Arena { uvec4 arena_quads[]; };
layout(set = 0, binding = 1, std430) ALIASED BETWEEN_WORKGROUPS buffer ArenaPairs { uvec2 arena_pairs[]; };
layout(set = 0, binding = 1, std430) ALIASED BETWEEN_WORKGROUPS buffer ArenaFloats4 { vec4 arena_floats4[]; };
layout(set = 0, binding = 1, std430) ALIASED BETWEEN_WORKGROUPS buffer ArenaFloats2 { vec2 arena_floats2[]; };
layout(set = 0, binding = 1, std430) ALIASED BETWEEN_WORKGROUPS buffer ArenaFloats { float arena_floats[]; };
layout(set = 0, binding = 2, std430) writeonly buffer Rgba { uint rgba_words[]; };
layout(set = 0, binding = 3, std140) uniform Stages { Stage stages[STAGES_LIMIT]; };  // icon.comp alone reads them
layout(set = 0, binding = 4, std430) readonly buffer Icons { Icon icons[]; };
layout(set = 0, binding = 5, std430) readonly buffer Solver { SolverRow solver[]; };
layout(set = 0, binding = 6, std430) readonly buffer SolverRows { uint solver_row[]; };
layout(set = 0, binding = 7, std430) readonly buffer ModulationRow { uint modulation_row[]; };
layout(set = 0, binding = 8, std430) readonly buffer Normals { vec4 normal_pieces[]; };

uint thread() { return gl_LocalInvocationIndex; }
