// SPDX-License-Identifier: MIT
// Modulation tables, as invocations hold fragments.

/// An invocation's four values of a modulation table's columns from `first` on, for a fragment; 0 from `width` on.
vec4 table_values(uint row_start, uint first, uint fragment, uint width) {
  const uint column = column_of(fragment, 0u), from = P.table + row_start + first + column;
  vec4 v = vec4(0.0);
  if (S(aligned) != 0u) {
    if (width % 16u == 0u || column < width) v.xy = arena_floats2[from / 2u];
    if (width % 16u == 0u || column + 8u < width) v.zw = arena_floats2[from / 2u + 4u];
    return v;
  }
  [[unroll]] for (uint i = 0u; i < 4u; ++i)
    if (column_of(fragment, i) < width) v[i] = arena_floats[from + column_of(fragment, i) - column];
  return v;
}

/// What gates four number `i` of a tensor of rows: half of what an invocation holds of a fragment.
vec4 gate_of_four(uint i, uint step) {
  if (S(gate) == NO_PLACE) return vec4(1.0);
  const uint row_start = table_row(i / 64u / S(column_fragments) / S(token_fragments), step);
  const uint first = i / 64u % S(column_fragments) * 16u + i % 4u * 2u;
  vec4 v = vec4(0.0);
  [[unroll]] for (uint j = 0u; j < 4u; ++j) {
    const uint column = first + (j & 1u) + (j >> 1) * 8u;
    if (column < S(columns)) v[j] = arena_floats[P.table + row_start + P.gate + column];
  }
  return v;
}

