// SPDX-License-Identifier: MIT
#version 450
// norm_stats: mean and 1/deviation of each row, for the kernels that apply a norm to their lhs
//   x [M,D] f32   stats [M,2] f32
// Deviation = √(variance + eps) or √variance + eps; RMS norm takes the mean as 0. Two passes, so that a large mean
// costs no digits. One workgroup of 64 per row: groups (min(M, 65535), ⌈M/65535⌉, 1).
// source: Ba, Kiros, Hinton 2016 (arXiv 1607.06450) eq. 4; Zhang & Sennrich 2019 (arXiv 1910.07467) eq. 4
#extension GL_GOOGLE_include_directive : require
#include "shaders/common/params.h"

layout(local_size_x = 64) in;
layout(push_constant) uniform Push { NormStats p; };
layout(set = 0, binding = 0, std430) readonly buffer X { float x_values[]; };
layout(set = 0, binding = 1, std430) writeonly buffer Stats { vec2 stats[]; };

shared float partial[64];

/// The sum of `value` over the workgroup, the same in every invocation. Call in uniform control flow.
float workgroup_sum(float value) {
  const uint invocation = gl_LocalInvocationIndex;
  barrier();
  partial[invocation] = value;
  barrier();
  for (uint stride = 32u; stride > 0u; stride >>= 1) {
    if (invocation < stride) partial[invocation] += partial[invocation + stride];
    barrier();
  }
  return partial[0];
}

void main() {
  const uint row = gl_WorkGroupID.y * gl_NumWorkGroups.x + gl_WorkGroupID.x;
  // Uniform: the whole workgroup leaves together.
  if (row >= p.rows) return;
  const uint first = row * p.width;
  float sum = 0.0, mean = 0.0;
  if (p.centred != 0u) {  // uniform
    for (uint i = gl_LocalInvocationIndex; i < p.width; i += 64u) sum += x_values[first + i];
    mean = workgroup_sum(sum) / float(p.width);
  }
  sum = 0.0;
  for (uint i = gl_LocalInvocationIndex; i < p.width; i += 64u) {
    const float d = x_values[first + i] - mean;
    sum += d * d;
  }
  const float variance = workgroup_sum(sum) / float(p.width - p.unbiased);
  const float deviation = p.eps_outside != 0u ? sqrt(variance) + p.eps : sqrt(variance + p.eps);
  if (gl_LocalInvocationIndex == 0u) stats[row] = vec2(mean, 1.0 / deviation);
}
