// SPDX-License-Identifier: MIT
#version 450
// linear: y = x Wᵀ + bias
//   x [M,I] f32   weight [O,I] any type   bias [O] f32, read if has_bias   y [M,O] f32, must not alias x
// Any sizes. One workgroup per 32×32 tile of y: groups (⌈O/32⌉, ⌈M/32⌉, 1).
#extension GL_GOOGLE_include_directive : require
#include "shaders/common/params.h"

layout(push_constant) uniform Push { Linear p; };
#define WEIGHT_BINDING 1
layout(set = 0, binding = 2, std430) readonly buffer Bias { float bias[]; };
layout(set = 0, binding = 3, std430) writeonly buffer Y { float y_values[]; };
#include "shaders/plain/gemm.glsl"
#include "shaders/plain/rows.glsl"

void store(uint row, uint column, float value) {
  if (p.has_bias != 0u) value += bias[column];
  y_values[row * p.outputs + column] = value;
}

void main() { gemm(); }
