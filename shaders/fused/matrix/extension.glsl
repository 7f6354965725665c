// SPDX-License-Identifier: MIT
// Matrices of 16×16 halves that a subgroup holds and multiplies, sums in f32: MATRIX_NV or MATRIX_KHR by the extension
// that the compiler knows and the device offers. Both bring the Vulkan memory model with them.
#pragma use_vulkan_memory_model
#extension GL_KHR_memory_scope_semantics : require
#extension GL_EXT_shader_explicit_arithmetic_types_float16 : require
#ifdef MATRIX_NV
#extension GL_NV_cooperative_matrix : require
#define Lhs fcoopmatNV<16, gl_ScopeSubgroup, 16, 16>
#define Rhs fcoopmatNV<16, gl_ScopeSubgroup, 16, 16>
#define Accumulator fcoopmatNV<32, gl_ScopeSubgroup, 16, 16>
#define LOAD_BY_ROW(m, memory, at, pitch) coopMatLoadNV(m, memory, at, pitch, false)
#define STORE_ACCUMULATOR(m, memory, at) coopMatStoreNV(m, memory, at, 16u, false)
#define MULTIPLY_ADD coopMatMulAddNV
#endif
#ifdef MATRIX_KHR
#extension GL_KHR_cooperative_matrix : require
#define Lhs coopmat<float16_t, gl_ScopeSubgroup, 16, 16, gl_MatrixUseA>
#define Rhs coopmat<float16_t, gl_ScopeSubgroup, 16, 16, gl_MatrixUseB>
#define Accumulator coopmat<float, gl_ScopeSubgroup, 16, 16, gl_MatrixUseAccumulator>
#define LOAD_BY_ROW(m, memory, at, pitch) coopMatLoad(m, memory, at, pitch, gl_CooperativeMatrixLayoutRowMajor)
#define STORE_ACCUMULATOR(m, memory, at) coopMatStore(m, memory, at, 16u, gl_CooperativeMatrixLayoutRowMajor)
#define MULTIPLY_ADD coopMatMulAdd
#endif
