// SPDX-License-Identifier: MIT
// Stages on pictures and plain rows, an element, four or a pixel an invocation: noise, solver, bytes, and what fusion
// none leaves of products.

void noise_stage(uint at, uint step) {
  const uint elements = icon_elements(), quads = (elements + 3u) / 4u, icon = at / quads, quad = at % quads;
  if (icon >= P.batch || solver_row[step * P.batch + icon] != 0u) return;
  const vec4 z = normals(icon, 0u, quad);
  for (uint j = 0u; j < 4u && quad * 4u + j < elements; ++j)
    PICTURE(icon * elements + quad * 4u + j) = z[j];
}

void rgba_stage(uint i) {
  const uint pixels = S(height) * S(image_width), icon = i / pixels;
  if (icon >= P.batch) return;
  const uint at = icon * S(channels) * pixels + i % pixels;
  const float alpha = S(premultiplied) != 0u ? PICTURE(at + 3u * pixels) : 1.0;
  rgba_words[i] = rgba_word(vec4(PICTURE(at), PICTURE(at + pixels), PICTURE(at + 2u * pixels), alpha),
                            S(premultiplied), S(round_down));
}

/// act(v) in place, four values at a time.
void activate_stage(uint i) {
  if (i >= P.row_fragments * S(column_fragments) * 64u) return;
  vec4 v = arena_four(P.y, i);
  [[unroll]] for (uint j = 0u; j < 4u; ++j) v[j] = activated(v[j], S(activation));
  set_arena_four(P.y, i, v);
}

/// residual += gate · rows, four values at a time.
void add_stage(uint i, uint step) {
  if (i < P.row_fragments * S(column_fragments) * 64u)
    arena_floats4[P.y + i] += gate_of_four(i, step) * arena_floats4[P.a + i];
}

#ifndef PERSISTENT
/// Row and column in a fragment of value `i` of four number `four` of it.
uvec2 place_in_fragment(uint four, uint i) {
#ifdef MATRIX
  const uint of_invocation = four / 2u;
  return uvec2(of_invocation / 4u + i / 2u * 8u, of_invocation % 4u * 2u + four % 2u * 8u + i % 2u);
#else
  return uvec2(four / 4u, four % 4u * 4u + i);
#endif
}

/// Four values of the fragments of a prompt's keys and values, of which each head is padded.
void prompt_stage(uint i) {
  const uint fragment = i / 64u, column_fragment = fragment % S(column_fragments);
  const uint row_fragment = fragment / S(column_fragments), head_fragments = (S(head_dim) + 15u) / 16u;
  if (row_fragment >= P.row_fragments) return;
  const uint first = row_fragment / S(token_fragments) * S(tokens), head = column_fragment / head_fragments;
  vec4 v = vec4(0.0);
  [[unroll]] for (uint j = 0u; j < 4u; ++j) {
    uvec2 at = place_in_fragment(i % 64u, j);
    if (column_fragment >= S(turned_from)) at = at.yx;
    at += uvec2(row_fragment % S(token_fragments), column_fragment % head_fragments) * 16u;
    if (at.x < S(tokens) && at.y < S(head_dim))
      v[j] = arena_floats[P.a * 4u + (first + at.x) * S(columns) + head * S(head_dim) + at.y];
  }
  set_arena_four(P.y + fragment * FRAGMENT, i % 64u, v);
}
#endif

/// One tile of a stage of these kinds.
void run_pointwise(uint tile_at, uint step) {
  const uint kind = S(kind), at = tile_at * INVOCATIONS + local_index();
  if (kind == STAGE_ACTIVATE) {
    activate_stage(at);
  } else if (kind == STAGE_ADD) {
    add_stage(at, step);
  } else if (kind == STAGE_NOISE) {
    noise_stage(at, step);
  } else if (kind == STAGE_SOLVE) {
    solve_four(at, P.batch, icon_elements(), S(guided), step);
  } else if (kind == STAGE_RGBA) {
    rgba_stage(at);
  } else if (kind == STAGE_BEGIN) {
    begin_four(at, P.batch, icon_elements(), S(height) * S(image_width), S(premultiplied), step);
  } else if (kind == STAGE_HOLD) {
    hold_four(at, P.batch, icon_elements(), S(height) * S(image_width), S(premultiplied), step);
#ifndef PERSISTENT
  } else if (kind == STAGE_PROMPT) {
    prompt_stage(at);
#endif
  }
}
