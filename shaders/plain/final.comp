// SPDX-License-Identifier: MIT
#version 450
// final: y = unpatchify((norm(x)·(1+scale)+shift) Wᵀ + bias)        DiT (arXiv 2212.09748) §3.2
//   x [R,T,D] f32   stats [R·T,2] f32 from norm_stats   table [S·K,columns] f32   modulation_row [S,R] u32
//   weight [C·V·V,D] any type   bias [C·V·V] f32, read if has_bias   y [R,C,H,W] f32, must not alias x
// Token and feature order as in embed. Where windows overlap, y is [R·T,C·V·V] f32 and overlap_add makes the image of
// it. Any sizes. Groups (⌈C·V·V/32⌉, ⌈R·T/32⌉, 1).
#extension GL_GOOGLE_include_directive : require
#include "shaders/common/params.h"

layout(constant_id = 1) const bool OVERLAP = false;  // V > P

layout(push_constant) uniform Push { Final p; };
#define WEIGHT_BINDING 1
layout(set = 0, binding = 2, std430) readonly buffer Bias { float bias[]; };
layout(set = 0, binding = 6, std430) writeonly buffer Y { float y_values[]; };
#include "shaders/plain/gemm.glsl"
#include "shaders/plain/modulated.glsl"

void store(uint row, uint column, float value) {
  if (p.has_bias != 0u) value += bias[column];
  if (OVERLAP) {
    y_values[row * p.outputs + column] = value;
    return;
  }
  const uint area = p.patch_size * p.patch_size, across = p.width / p.patch_size;
  const uint image = row / p.tokens, token = row % p.tokens, c = column / area;
  const uint line = (token / across) * p.patch_size + (column % area) / p.patch_size;
  const uint at = (token % across) * p.patch_size + column % p.patch_size;
  y_values[((image * (p.outputs / area) + c) * p.height + line) * p.width + at] = value;
}

void main() { gemm(); }
