// SPDX-License-Identifier: MIT
#version 450
// gated_linear_add: residual += gate · (x Wᵀ + bias); a gate of no column is 1 adaLN-Zero, DiT (arXiv 2212.09748) §3.2
//   x [R,T,I] f32   weight [D,I] any type   bias [D] f32, read if has_bias   table [S·K,columns] f32
//   modulation_row [S,R] u32   residual [R,T,D] f32, in place, must not alias x
// Any sizes. Groups (⌈D/32⌉, ⌈R·T/32⌉, 1).
#extension GL_GOOGLE_include_directive : require
#include "shaders/common/params.h"

layout(push_constant) uniform Push { GatedLinearAdd p; };
#define WEIGHT_BINDING 1
layout(set = 0, binding = 2, std430) readonly buffer Bias { float bias[]; };
layout(set = 0, binding = 3, std430) readonly buffer Table { float table[]; };
layout(set = 0, binding = 4, std430) readonly buffer ModulationRow { uint modulation_row[]; };
layout(set = 0, binding = 5, std430) buffer Residual { float residual[]; };
#include "shaders/plain/gemm.glsl"
#include "shaders/plain/rows.glsl"

void store(uint row, uint column, float value) {
  if (p.has_bias != 0u) value += bias[column];
  const uint table_row = modulation_row[p.step * p.batch_rows + row / p.tokens];
  const float gate = p.gate == 0xffffffffu ? 1.0 : table[table_row * p.columns + p.gate + column];
  residual[row * p.outputs + column] += gate * value;
}

void main() { gemm(); }
