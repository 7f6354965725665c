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

/// at: element 0 of x, of the scale, of the shift.
Row row_of(uint row) {
  const uint first_column = modulation_row[p.step * p.batch_rows + row / p.tokens] * p.columns;
  return Row(uvec4(row * p.inputs, first_column + p.scale, first_column + p.shift, 0u), stats[row]);
}

float modulated(Row row, uint k) {
  const float n = (x_values[row.at.x + k] - row.statistics.x) * row.statistics.y;
  return n * (1.0 + table[row.at.y + k]) + table[row.at.z + k];
}

vec4 lhs4(Row row, uint k) {
  if (ALIGNED) {
    const vec4 n = (x_quads[(row.at.x + k) >> 2] - row.statistics.x) * row.statistics.y;
    return n * (1.0 + table_quads[(row.at.y + k) >> 2]) + table_quads[(row.at.z + k) >> 2];
  }
  const uint remaining = p.inputs - k;
  vec4 result = vec4(modulated(row, k), 0.0, 0.0, 0.0);
  if (remaining > 1u) result.y = modulated(row, k + 1u);
  if (remaining > 2u) result.z = modulated(row, k + 2u);
  if (remaining > 3u) result.w = modulated(row, k + 3u);
  return result;
}
