// SPDX-License-Identifier: MIT
#version 450
// modulated_linear: y = act((norm(x)·(1+scale)+shift) Wᵀ + bias)        adaLN, DiT (arXiv 2212.09748) §3.2
//   x [R,T,D] f32   stats [R·T,2] f32 from norm_stats   table [S·K,columns] f32   modulation_row [S,R] u32
//   weight [O,D] any type   bias [O] f32, read if has_bias   y [R,T,O] f32, must not alias x
// Any sizes. Groups (⌈O/32⌉, ⌈R·T/32⌉, 1).
#extension GL_GOOGLE_include_directive : require
#include "shaders/common/params.h"

layout(push_constant) uniform Push { ModulatedLinear p; };
#define WEIGHT_BINDING 1
layout(set = 0, binding = 2, std430) readonly buffer Bias { float bias[]; };
layout(set = 0, binding = 6, std430) writeonly buffer Y { float y_values[]; };
#include "shaders/plain/gemm.glsl"
#include "shaders/plain/modulated.glsl"
#include "shaders/common/activation.glsl"

void store(uint row, uint column, float value) {
  if (p.has_bias != 0u) value += bias[column];
  y_values[row * p.outputs + column] = activated(value, p.activation);
}

void main() { gemm(); }
