// SPDX-License-Identifier: MIT
// What is done to a product on the way out, a block a warp at a time: bias, activation, gate, what was there, the solver.

/// A block of the result.
struct Leaving {
  uint block, column_block;
  bool mine;  // whether it is to be written at all
};

/// What the solver's step needs besides the prediction, for the four pairs of a block that an invocation holds.
struct Solving {
  SolverRow row;
  vec2 past[4], noise[4];
};

/// What the values of a block meet as they leave: bias and gate by column, the old value by place.
struct Meeting {
  vec4 bias, gate;
  Held old;
  uint solver_at;
};

/// Where the four pairs of a block that an invocation holds lie in an icon; in it where they are padding.
uvec4 pixels_of(Leaving p) {
  const uint token = p.block % S(token_fragments) * 16u + lane_row(), first = column_of(p.column_block, 0u);
  uvec4 pixel;
  [[unroll]] for (uint i = 0u; i < 4u; ++i)
    pixel[i] = pixel_of(min(token + i / 2u * 8u, S(tokens) - 1u), min(first + i % 2u * 8u, S(columns) - 2u));
  return pixel;
}

/// Which of the pairs are not padding.
bvec4 real_pairs(Leaving p) {
  const uint token = p.block % S(token_fragments) * 16u + lane_row(), first = column_of(p.column_block, 0u);
  bvec4 real;
  [[unroll]] for (uint i = 0u; i < 4u; ++i)
    real[i] = token + i / 2u * 8u < S(tokens) && first + i % 2u * 8u < S(columns);
  return real;
}

/// The values that the solver's step starts from. Its last step was long before the stage that comes before this one.
Held ask_picture(Leaving p) {
  const uvec4 at = (P.image * 4u + p.block / S(token_fragments) * icon_elements() + pixels_of(p)) / 2u;
  return Held(vec4(arena_floats2[at.x], arena_floats2[at.y]), vec4(arena_floats2[at.z], arena_floats2[at.w]));
}

/// See solver.glsl.
Solving ask_solver(Leaving p, uint solver_at, SolverRow row, uint step) {
  const uint batch_row = p.block / S(token_fragments);
  const uint all = P.batch * icon_elements() / 2u;
  const uvec4 pixel = pixels_of(p), at = (batch_row * icon_elements() + pixel) / 2u;
  const bvec4 real = real_pairs(p);
  Solving s;
  s.row = row;
  [[unroll]] for (uint i = 0u; i < 4u; ++i) {
    s.past[i] = s.noise[i] = vec2(0.0);
    if (!real[i]) continue;
#define KEPT(back) arena_floats2[P.history * 2u + KEPT_AT(step - back, all, at[i])]
    ADD_PAST(s.past[i], s.row, KEPT)
#undef KEPT
  }
  if (s.row.c == 0.0) return s;
  [[dont_unroll]] for (uint i = 0u; i < 4u; ++i) {
    const vec4 four = normals(batch_row, solver_at + 1u, pixel[i] / 4u);
    const vec2 pair = pixel[i] % 4u == 0u ? four.xy : four.zw;
    [[unroll]] for (uint j = 0u; j < 4u; ++j)
      if (i == j) s.noise[j] = pair;
  }
  return s;
}

/// What of it was there before this step began.
Meeting constants_of(Leaving p, uint step) {
  Meeting m;
  m.bias = vec4(0.0);
  m.gate = vec4(1.0);
  m.old = Held(vec4(0.0), vec4(0.0));
  m.solver_at = 0u;
  const uint at = column_of(p.column_block, 0u) / 2u;
  if (S(bias) != NO_PLACE) m.bias = vec4(weight_floats2[P.bias * 2u + at], weight_floats2[P.bias * 2u + at + 4u]);
  if (S(store) == STORE_ADD && S(gate) != NO_PLACE)
    m.gate = table_values(table_row(p.block / S(token_fragments), step), P.gate, p.column_block, S(columns));
  if (S(store) == STORE_EMBED) {
    const uint from = P.position + (p.block % S(token_fragments) * S(column_fragments) + p.column_block) * 64u + lane();
    m.old = Held(weight_floats[from], weight_floats[from + 32u]);
  }
  if (S(store) == STORE_SOLVE) {
    m.solver_at = solver_row[step * P.batch + p.block / S(token_fragments)];
    m.old = ask_picture(p);
  }
  return m;
}

uint in_rows(Leaving p) { return P.y + (p.block * S(column_fragments) + p.column_block) * 64u + lane(); }

void ask_old(Leaving p, inout Meeting m) {
  if (S(store) == STORE_ADD) m.old = Held(arena_floats4[in_rows(p)], arena_floats4[in_rows(p) + 32u]);
}

void ask(Leaving p, out Meeting m, uint step) {
  m = constants_of(p, step);
  ask_old(p, m);
}

/// The solver's step of four pairs of neighbouring elements, whose prediction is `h`.
void solve_pairs(Leaving p, Held h, Held old, Solving s, uint step) {
  const uint all = P.batch * icon_elements() / 2u;
  const uvec4 at = (p.block / S(token_fragments) * icon_elements() + pixels_of(p)) / 2u;
  const bvec4 real = real_pairs(p);
  const vec2 e[4] = vec2[4](h.upper.xy, h.upper.zw, h.lower.xy, h.lower.zw);
  const vec2 x[4] = vec2[4](old.upper.xy, old.upper.zw, old.lower.xy, old.lower.zw);
  [[unroll]] for (uint i = 0u; i < 4u; ++i) {
    if (!real[i]) continue;
    vec2 d = vec2(0.0), result = vec2(0.0);
    ADD_DIFFERENCE(d, s.row, x[i], e[i])
    ADD_PRESENT(result, s.row, x[i], d)
    result += s.past[i];
    ADD_TERM(result, s.row.c, s.noise[i])
    arena_floats2[P.history * 2u + KEPT_AT(step, all, at[i])] = d;
    arena_floats2[P.image * 2u + at[i]] = result;
  }
}

/// A block that goes to the picture.
void store_image(Leaving p, uint token, Held h) {
  [[unroll]] for (uint i = 0u; i < 4u; ++i) {
    const uint column = column_of(p.column_block, i), at = P.y * 4u + p.block / S(token_fragments) * icon_elements();
    if (column >= S(columns)) continue;
    if (token < S(tokens)) arena_floats[at + pixel_of(token, column)] = h.upper[i];
    if (token + 8u < S(tokens)) arena_floats[at + pixel_of(token + 8u, column)] = h.lower[i];
  }
}

/// Block `b` of those that leave through this warp: its own, or every WARPS-th of a tile whose sums are shared.
Leaving leaving_block(uint b, uint first_row, uint first_column, uint row, uint column) {
  uint block = row + b / S(across), column_block = column + b % S(across);
  bool mine = true;
  if (S(subgroups_deep) > 1u) {
    const uint places = S(subgroups_down) * S(subgroups_across), all = places * S(down) * S(across), nth = b * WARPS + warp();
    mine = all % WARPS == 0u || nth < all;
    const uint at = all % WARPS == 0u ? nth : min(nth, all - 1u), place = at % places, of_warp = at / places;
    block = first_row + place / S(subgroups_across) * S(down) + of_warp / S(across);
    column_block = first_column + place % S(subgroups_across) * S(across) + of_warp % S(across);
  }
  if ((S(exact) & EXACT_RESULT) != 0u) return Leaving(block, column_block, mine);
  mine = mine && block < P.row_fragments && column_block < S(column_fragments);
  return Leaving(min(block, P.row_fragments - 1u), min(column_block, S(column_fragments) - 1u), mine);
}

/// The rows that a block of a product becomes: what was there, and the product gated; padding stays 0.
Held added(Leaving p, Held h, Meeting m) {
  const uint token = p.block % S(token_fragments) * 16u + lane_row();
  const bool whole = S(tokens) % 16u == 0u;
  const float upper = whole || token < S(tokens) ? 1.0 : 0.0, lower = whole || token + 8u < S(tokens) ? 1.0 : 0.0;
  return Held(m.old.upper + m.gate * (h.upper + m.bias) * upper, m.old.lower + m.gate * (h.lower + m.bias) * lower);
}

void store_rows(Leaving p, Held h) {
  arena_floats4[in_rows(p)] = h.upper;
  arena_floats4[in_rows(p) + 32u] = h.lower;
}

/// Called by all warps together; those whose block is not theirs compute it in vain.
void leave(Leaving p, Held h, Meeting m, Solving s, uint step) {
  if (S(store) == STORE_ROWS || S(store) == STORE_ADD || S(store) == STORE_EMBED) {
    if (p.mine) store_rows(p, added(p, h, m));
    return;
  }
  const uint token = p.block % S(token_fragments) * 16u + lane_row();
  h.upper += m.bias;
  h.lower += m.bias;
  if (S(store) == STORE_FRAGMENTS) {
    // Padding of rows stays 0.
    const bool whole = S(tokens) % 16u == 0u;
    const float upper = whole || token < S(tokens) ? 1.0 : 0.0, lower = whole || token + 8u < S(tokens) ? 1.0 : 0.0;
    [[unroll]] for (uint i = 0u; i < 4u; ++i) {
      h.upper[i] = activated(h.upper[i], S(activation)) * upper;
      h.lower[i] = activated(h.lower[i], S(activation)) * lower;
    }
    uvec4 quad = quad_of(h);
    if (S(turned_from) != NO_PLACE) {
      const uvec4 other = turned(quad);
      if (p.column_block >= S(turned_from)) quad = other;
    }
    if (p.mine) arena_quads[P.y + (p.block * S(column_fragments) + p.column_block) * BLOCK + lane()] = quad;
    return;
  }
  if (!p.mine) return;
  if (S(store) == STORE_IMAGE) store_image(p, token, h);
  else solve_pairs(p, h, m.old, s, step);
}
