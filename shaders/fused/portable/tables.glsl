// SPDX-License-Identifier: MIT
// Modulation tables, four neighbouring columns at a time.

/// Four values of a modulation table from column `first + at` on; 0 beyond `width`.
vec4 table_four(uint row_start, uint first, uint at, uint width) {
  const uint from = P.table + row_start + first + at;
  if (S(aligned) != 0u && at < width) return arena_floats4[from >> 2];
  vec4 v = vec4(0.0);
  [[unroll]] for (uint i = 0u; i < 4u; ++i)
    if (at + i < width) v[i] = arena_floats[from + i];
  return v;
}

/// What gates four number `i` of a tensor of rows.
vec4 gate_of_four(uint i, uint step) {
  if (S(gate) == NO_PLACE) return vec4(1.0);
  const uint fours = S(column_fragments) * 4u;
  return table_four(table_row(i / fours / 16u / S(token_fragments), step), P.gate, i % fours * 4u, S(columns));
}
