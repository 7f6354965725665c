// SPDX-License-Identifier: MIT
// Matrices of 16×16 halves that a subgroup holds and multiplies, sums in f32: MATRIX_NV or MATRIX_KHR by the extension
// that the device offers. Both are spelled as NV's, which every compiler knows, and bring the Vulkan memory model.
#pragma use_vulkan_memory_model
#extension GL_KHR_memory_scope_semantics : require
#extension GL_EXT_shader_explicit_arithmetic_types_float16 : require
#extension GL_NV_cooperative_matrix : require
#ifdef MATRIX_KHR
// A KHR matrix is for one side of a product, or for its sums. NV's extension has no word for that, so that the scope
// carries it: shaders/khr makes KHR matrices of what is compiled here.
#include "shaders/common/matrix_uses.h"
layout(constant_id = MATRIX_USE_A) const uint SCOPE_OF_LHS = gl_ScopeSubgroup;
layout(constant_id = MATRIX_USE_B) const uint SCOPE_OF_RHS = gl_ScopeSubgroup;
layout(constant_id = MATRIX_USE_ACCUMULATOR) const uint SCOPE_OF_ACCUMULATOR = gl_ScopeSubgroup;
#else
#define SCOPE_OF_LHS gl_ScopeSubgroup
#define SCOPE_OF_RHS gl_ScopeSubgroup
#define SCOPE_OF_ACCUMULATOR gl_ScopeSubgroup
#endif
#define Lhs fcoopmatNV<16, SCOPE_OF_LHS, 16, 16>
#define Rhs fcoopmatNV<16, SCOPE_OF_RHS, 16, 16>
#define Accumulator fcoopmatNV<32, SCOPE_OF_ACCUMULATOR, 16, 16>
#define LOAD_BY_ROW(m, memory, at, pitch) coopMatLoadNV(m, memory, at, pitch, false)
#define STORE_ACCUMULATOR(m, memory, at) coopMatStoreNV(m, memory, at, 16u, false)
#define MULTIPLY_ADD coopMatMulAddNV
