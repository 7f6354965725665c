// SPDX-License-Identifier: MIT
// The lhs of linear and gated_linear_add: rows of x. The including kernel includes gemm.glsl first.

layout(set = 0, binding = 0, std430) readonly buffer X { float x_values[]; };
layout(set = 0, binding = 0, std430) readonly buffer XQuads { vec4 x_quads[]; };

/// at.x: element 0.
Row row_of(uint row) { return Row(uvec4(row * p.inputs), vec2(0.0)); }

vec4 lhs4(Row row, uint k) {
  const uint i = row.at.x + k;
  if (ALIGNED) return x_quads[i >> 2];
  const uint remaining = p.inputs - k;
  return vec4(x_values[i], remaining > 1u ? x_values[i + 1u] : 0.0, remaining > 2u ? x_values[i + 2u] : 0.0,
              remaining > 3u ? x_values[i + 3u] : 0.0);
}
