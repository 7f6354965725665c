// SPDX-License-Identifier: MIT
// The adaLN lhs of modulated_linear and final: norm(x)·(1+scale)+shift, row statistics from norm_stats.
// The including kernel declares p (inputs, tokens, batch_rows, columns, shift, scale, step) and includes gemm.glsl
// first.

layout(set = 0, binding = 0, std430) readonly buffer X { float x_values[]; };
layout(set = 0, binding = 0, std430) readonly buffer XQuads { vec4 x_quads[]; };
layout(set = 0, binding = 3, std430) readonly buffer Stats { vec2 stats[]; };  // [R·T]: mean, 1/√(var+eps)
layout(set = 0, binding = 4, std430) readonly buffer Table { float table[]; };
layout(set = 0, binding = 4, std430) readonly buffer TableQuads { vec4 table_quads[]; };
layout(set = 0, binding = 5, std430) readonly buffer ModulationRow { uint modulation_row[]; };  // [S,R]

float modulated(uint row, uint k, uint first_column, vec2 stat) {
  const float n = (x_values[row * p.inputs + k] - stat.x) * stat.y;
  return n * (1.0 + table[first_column + p.scale + k]) + table[first_column + p.shift + k];
}

vec4 lhs4(uint row, uint k) {
  const uint first_column = modulation_row[p.step * p.batch_rows + row / p.tokens] * p.columns;
  const vec2 stat = stats[row];
  if (ALIGNED) {
    const vec4 n = (x_quads[(row * p.inputs + k) >> 2] - stat.x) * stat.y;
    return n * (1.0 + table_quads[(first_column + p.scale + k) >> 2]) + table_quads[(first_column + p.shift + k) >> 2];
  }
  const uint remaining = p.inputs - k;
  vec4 result = vec4(modulated(row, k, first_column, stat), 0.0, 0.0, 0.0);
  if (remaining > 1u) result.y = modulated(row, k + 1u, first_column, stat);
  if (remaining > 2u) result.z = modulated(row, k + 2u, first_column, stat);
  if (remaining > 3u) result.w = modulated(row, k + 3u, first_column, stat);
  return result;
}
