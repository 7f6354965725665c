// SPDX-License-Identifier: MIT
// What stages read and write, whichever kernel runs them: binding by binding as in stage_operands() of the host.
#if !defined(PERSISTENT)
// A dispatch ends before another reads what it wrote.
#define ARENA
#define WEIGHT_VECTORS readonly
#elif defined(MATRIX_EMULATED)
#define ARENA coherent
#define WEIGHT_VECTORS readonly
#else
// A kernel that runs many stages sees the arena through several types, which GLSL has no word to mark as aliases of
// each
// other: unmarked, what was read through one of them may be kept while another is written.
#extension GL_EXT_spirv_intrinsics : require
#define ALIASED spirv_decorate(20)
#define ARENA ALIASED nonprivate
// What is never written may be loaded at any time, and drivers load it late: vectors only after the wait that should
// have hidden them. Matrices are better off so.
#define WEIGHT_VECTORS ALIASED nonprivate
#endif

#include "shaders/common/stage.h"

layout(set = 0, binding = 0, std430) readonly buffer Weights { uvec4 weight_quads[]; };
layout(set = 0, binding = 0, std430) readonly buffer WeightFloats { vec4 weight_floats[]; };
layout(set = 0, binding = 0, std430) WEIGHT_VECTORS buffer WeightFloats2 { vec2 weight_floats2[]; };
layout(set = 0, binding = 1, std430) ARENA buffer Arena { uvec4 arena_quads[]; };
layout(set = 0, binding = 1, std430) ARENA buffer ArenaPairs { uvec2 arena_pairs[]; };
layout(set = 0, binding = 1, std430) ARENA buffer ArenaFloats4 { vec4 arena_floats4[]; };
layout(set = 0, binding = 1, std430) ARENA buffer ArenaFloats2 { vec2 arena_floats2[]; };
layout(set = 0, binding = 1, std430) ARENA buffer ArenaFloats { float arena_floats[]; };
layout(set = 0, binding = 2, std430) writeonly buffer Rgba { uint rgba_words[]; };
#define ICONS_BINDING 4
#define SOLVER_BINDING 5
layout(set = 0, binding = 7, std430) readonly buffer ModulationRow { uint modulation_row[]; };
#define NORMALS_BINDING 8

uint local_index() { return gl_LocalInvocationIndex; }
