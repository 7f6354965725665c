// SPDX-License-Identifier: MIT
// What is done to a product on the way out, a fragment a subgroup at a time: bias, activation, gate, solver.

/// A fragment of the result.
struct Result {
  uint fragment, column_fragment;
  bool mine;  // whether it is to be written at all
};

/// What the solver's step needs besides the prediction, for the four pairs of a fragment that an invocation holds.
struct Solving {
  SolverRow row;
  vec2 past[4], noise[4];
};

/// Bias and gate by column, the old value by place.
struct Epilogue {
  vec4 bias, gate;
  Fragment old;
  uint solver_at;
};

/// Where the four pairs of a fragment that an invocation holds lie in an icon; in it where they are padding.
uvec4 pixels_of(Result p) {
  const uint token = p.fragment % S(token_fragments) * 16u + own_row(), first = column_of(p.column_fragment, 0u);
  uvec4 pixel;
  [[unroll]] for (uint i = 0u; i < 4u; ++i)
    pixel[i] = pixel_of(min(token + i / 2u * 8u, S(tokens) - 1u), min(first + i % 2u * 8u, S(columns) - 2u));
  return pixel;
}

/// Which of the pairs are not padding.
bvec4 real_pairs(Result p) {
  const uint token = p.fragment % S(token_fragments) * 16u + own_row(), first = column_of(p.column_fragment, 0u);
  bvec4 real;
  [[unroll]] for (uint i = 0u; i < 4u; ++i)
    real[i] = token + i / 2u * 8u < S(tokens) && first + i % 2u * 8u < S(columns);
  return real;
}

/// The values that the solver's step starts from. Its last step was long before the stage that comes before this one.
Fragment ask_picture(Result p) {
  const uvec4 at = (P.image * 4u + p.fragment / S(token_fragments) * icon_elements() + pixels_of(p)) / 2u;
  return Fragment(vec4(arena_floats2[at.x], arena_floats2[at.y]), vec4(arena_floats2[at.z], arena_floats2[at.w]));
}

/// See solver.glsl.
Solving ask_solver(Result p, uint solver_at, SolverRow row, uint step) {
  const uint batch_row = p.fragment / S(token_fragments);
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
    const vec4 four = normals(batch_row, draw_of(row, solver_at), pixel[i] / 4u);
    const vec2 pair = pixel[i] % 4u == 0u ? four.xy : four.zw;
    [[unroll]] for (uint j = 0u; j < 4u; ++j)
      if (i == j) s.noise[j] = pair;
  }
  return s;
}

/// What of it was there before this step began.
Epilogue constants_of(Result p, uint step) {
  Epilogue m;
  m.bias = vec4(0.0);
  m.gate = vec4(1.0);
  m.old = Fragment(vec4(0.0), vec4(0.0));
  m.solver_at = 0u;
  const uint at = column_of(p.column_fragment, 0u) / 2u;
  if (S(bias) != NO_PLACE) m.bias = vec4(weight_floats2[P.bias * 2u + at], weight_floats2[P.bias * 2u + at + 4u]);
  if (S(store) == STORE_ADD && S(gate) != NO_PLACE)
    m.gate = table_values(table_row(p.fragment / S(token_fragments), step), P.gate, p.column_fragment, S(columns));
  if (S(store) == STORE_EMBED) {
    const uint fragment = p.fragment % S(token_fragments) * S(column_fragments) + p.column_fragment;
    const uint from = P.position + fragment * 64u + invocation();
    m.old = Fragment(weight_floats[from], weight_floats[from + 32u]);
  }
  if (S(store) == STORE_SOLVE) {
    m.solver_at = solver_row[step * P.batch + p.fragment / S(token_fragments)];
    m.old = ask_picture(p);
  }
  return m;
}

uint in_rows(Result p) { return P.y + (p.fragment * S(column_fragments) + p.column_fragment) * 64u + invocation(); }

void ask_old(Result p, inout Epilogue m) {
  if (S(store) == STORE_ADD) m.old = Fragment(arena_floats4[in_rows(p)], arena_floats4[in_rows(p) + 32u]);
}

void ask(Result p, out Epilogue m, uint step) {
  m = constants_of(p, step);
  ask_old(p, m);
}

/// The solver's step of four pairs of neighbouring elements, whose prediction is `h`.
void solve_pairs(Result p, Fragment h, Fragment old, Solving s, uint step) {
  const uint all = P.batch * icon_elements() / 2u;
  const uvec4 at = (p.fragment / S(token_fragments) * icon_elements() + pixels_of(p)) / 2u;
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

/// A fragment that goes to the picture.
void store_image(Result p, uint token, Fragment h) {
  [[unroll]] for (uint i = 0u; i < 4u; ++i) {
    const uint column = column_of(p.column_fragment, i);
    const uint at = P.y * 4u + p.fragment / S(token_fragments) * image_elements();
    if (column >= S(columns)) continue;
    if (token < S(tokens)) arena_floats[at + pixel_of(token, column)] = h.upper[i];
    if (token + 8u < S(tokens)) arena_floats[at + pixel_of(token + 8u, column)] = h.lower[i];
  }
}

/// A fragment of what a convolution makes.
void store_map(Result p, uint token, Fragment h) {
  [[unroll]] for (uint i = 0u; i < 8u; ++i) {
    const uint column = column_of(p.column_fragment, i % 4u), at_token = token + i / 4u * 8u;
    if (column >= S(columns) || at_token >= S(tokens)) continue;
    const uint at = p.fragment / S(token_fragments) * image_elements() + pixel_of(at_token, column);
    const float old = S(store) == STORE_MAP_ADD ? arena_floats[P.image * 4u + at] : 0.0;
    arena_floats[P.y * 4u + at] = old + activated(i < 4u ? h.upper[i] : h.lower[i - 4u], S(activation));
  }
}

/// A fragment of 16 channels of one pixel of 16 tokens, see head.glsl.
void store_pixels(Result p, uint token, Fragment h) {
  const uint planes = S(channels) / 16u, pixel = p.column_fragment / planes, across = S(image_width) / S(patch_size);
  const uint first = p.fragment / S(token_fragments) * S(height) * S(image_width);
  EACH(i, 2u) {
    const uint at = token + i * 8u;
    const uint line = at / across * S(patch_size) + pixel / S(patch_size);
    const uint nth = first + line * S(image_width) + at % across * S(patch_size) + pixel % S(patch_size);
    const uint to = P.y * 2u + (nth * planes + p.column_fragment % planes) * 4u + invocation() % 4u;
    if (at < S(tokens)) arena_pairs[to] = packed(i == 0u ? h.upper : h.lower);
  }
}

/// Fragment `b` of those that this subgroup finishes: its own, or every SUBGROUPS-th of a tile whose depth is shared.
Result result_fragment(uint b, uint first_row, uint first_column, uint row, uint column) {
  uint fragment = row + b / S(across), column_fragment = column + b % S(across);
  bool mine = true;
  if (S(subgroups_deep) > 1u) {
    const uint places = S(subgroups_down) * S(subgroups_across), all = places * S(down) * S(across);
    const uint nth = b * SUBGROUPS + subgroup();
    mine = all % SUBGROUPS == 0u || nth < all;
    const uint at = all % SUBGROUPS == 0u ? nth : min(nth, all - 1u), place = at % places, of_subgroup = at / places;
    fragment = first_row + place / S(subgroups_across) * S(down) + of_subgroup / S(across);
    column_fragment = first_column + place % S(subgroups_across) * S(across) + of_subgroup % S(across);
  }
  if ((S(exact) & EXACT_RESULT) != 0u) return Result(fragment, column_fragment, mine);
  mine = mine && fragment < P.row_fragments && column_fragment < S(column_fragments);
  return Result(min(fragment, P.row_fragments - 1u), min(column_fragment, S(column_fragments) - 1u), mine);
}

/// The rows that a fragment of a product becomes: what was there, and the product gated; padding stays 0.
Fragment added(Result p, Fragment h, Epilogue m) {
  const uint token = p.fragment % S(token_fragments) * 16u + own_row();
  const bool whole = S(tokens) % 16u == 0u;
  const float upper = whole || token < S(tokens) ? 1.0 : 0.0, lower = whole || token + 8u < S(tokens) ? 1.0 : 0.0;
  return Fragment(m.old.upper + m.gate * (h.upper + m.bias) * upper, m.old.lower + m.gate * (h.lower + m.bias) * lower);
}

void store_rows(Result p, Fragment h) {
  arena_floats4[in_rows(p)] = h.upper;
  arena_floats4[in_rows(p) + 32u] = h.lower;
}

/// Called by all subgroups together; those whose fragment is not theirs compute it in vain.
void apply_epilogue(Result p, Fragment h, Epilogue m, Solving s, uint step) {
  if (S(store) == STORE_ROWS || S(store) == STORE_ADD || S(store) == STORE_EMBED) {
    if (p.mine) store_rows(p, added(p, h, m));
    return;
  }
  const uint token = p.fragment % S(token_fragments) * 16u + own_row();
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
      if (p.column_fragment >= S(turned_from)) quad = other;
    }
    if (p.mine)
      arena_quads[P.y + (p.fragment * S(column_fragments) + p.column_fragment) * FRAGMENT + invocation()] = quad;
    return;
  }
  if (!p.mine) return;
  if (S(store) == STORE_IMAGE) store_image(p, token, h);
  else if (S(store) == STORE_PIXELS) store_pixels(p, token, h);
  else if (S(store) == STORE_MAP || S(store) == STORE_MAP_ADD) store_map(p, token, h);
  else solve_pairs(p, h, m.old, s, step);
}
