// SPDX-License-Identifier: MIT
// Products: a workgroup makes a tile of subgroups_down·DOWN × subgroups_across·ACROSS fragments, each subgroup DOWN ×
// ACROSS of them over every subgroups_deep-th fragment of the depth. Small products are read straight from the cache,
// large ones pass through shared memory. What the epilogue needs is asked for before the product is computed; it takes
// the accumulators through shared memory, four values at a time.

Accumulator accumulators[DOWN * ACROSS];

/// The tile that a workgroup makes, and this subgroup's share of it, in fragments.
struct TilePlace {
  uint first_row, first_column, my_row, my_column;
};

/// Four neighbouring values of a product.
struct Four {
  uint fragment, row, column;  // row of the fragment, column of the product
};

/// What the values of a product need on the way out.
struct Epilogue {
  vec4 bias, gate, old;
};

bool real(Four f) {
  const uint token = f.fragment % S(token_fragments) * 16u + f.row;
  return f.fragment < P.row_fragments && f.column < S(column_fragments) * 16u && token < S(tokens);
}

/// Where a four lies in a tensor of rows, in fours of values.
uint in_rows(Four f) { return (f.fragment * 16u + f.row) * S(column_fragments) * 4u + f.column / 4u; }

Epilogue epilogue_of(Four f, uint step) {
  Epilogue m = Epilogue(vec4(0.0), vec4(1.0), vec4(0.0));
  if (!real(f)) return m;
  if (S(bias) != NO_PLACE) m.bias = weight_floats[P.bias + f.column / 4u];
  if (f.column >= S(columns)) return m;
  if (S(store) == STORE_ADD) {
    if (S(gate) != NO_PLACE)
      m.gate = table_four(table_row(f.fragment / S(token_fragments), step), P.gate, f.column, S(columns));
    m.old = arena_floats4[P.y + in_rows(f)];
  } else if (S(store) == STORE_EMBED) {
    const uint token = f.fragment % S(token_fragments) * 16u + f.row;
    m.old = weight_floats[P.position + token * S(column_fragments) * 4u + f.column / 4u];
  }
  return m;
}

void store_four(Four f, vec4 v, Epilogue m, uint step) {
  if (!real(f)) return;
  v += m.bias;
  if (S(store) == STORE_FRAGMENTS) {
    [[unroll]] for (uint i = 0u; i < 4u; ++i) v[i] = activated(v[i], S(activation));
    const uint at = P.y + (f.fragment * S(column_fragments) + f.column / 16u) * FRAGMENT;
    set_arena_four(at, in_fragment(f.row, f.column % 16u / 4u), v);
    return;
  }
  if (f.column >= S(columns)) return;
  const uint batch_row = f.fragment / S(token_fragments), token = f.fragment % S(token_fragments) * 16u + f.row;
  if (S(store) == STORE_ROWS) {
    arena_floats4[P.y + in_rows(f)] = v;
  } else if (S(store) == STORE_ADD || S(store) == STORE_EMBED) {
    arena_floats4[P.y + in_rows(f)] = m.old + m.gate * v;
  } else if (S(store) == STORE_IMAGE) {
    for (uint i = 0u; i < 4u && f.column + i < S(columns); ++i)
      arena_floats[P.y * 4u + batch_row * image_elements() + pixel_of(token, f.column + i)] = v[i];
  } else if (S(store) == STORE_MAP || S(store) == STORE_MAP_ADD) {
    for (uint i = 0u; i < 4u && f.column + i < S(columns); ++i) {
      const uint at = batch_row * image_elements() + pixel_of(token, f.column + i);
      const float old = S(store) == STORE_MAP_ADD ? arena_floats[P.image * 4u + at] : 0.0;
      arena_floats[P.y * 4u + at] = old + activated(v[i], S(activation));
    }
  } else if (S(store) == STORE_SOLVE) {
    const uint solver_at = solver_row[step * P.batch + batch_row], pixel = pixel_of(token, f.column);
    const SolverRow w = solver[solver_at];
    vec4 z = vec4(0.0);
    if (w.c != 0.0) z = normals(batch_row, draw_of(w, solver_at), pixel / 4u);
    [[unroll]] for (uint i = 0u; i < 4u; ++i)
      solve(w, batch_row * icon_elements() + pixel + i, P.batch * icon_elements(), v[i], z[i], step);
  }
}

/// Makes the lhs of the tile in shared memory where it is not in the arena yet.
void make_lhs(uint lhs, uint first_fragment, uint fragments, uint step, bool keep) {
  if (lhs == LHS_NORM) {
    norm_rows(first_fragment, fragments, step, true);
  } else if (lhs == LHS_WINDOWS) {
    window_rows(first_fragment, fragments, step, true, keep);
  } else {
    for (uint head = 0u; head < S(heads); head += S(head_group)) {
      attend(first_fragment, head, step, true);
      barrier();
    }
  }
  barrier();
}

/// Each subgroup for itself; it loads DEPTH_STEP fragments of the depth before it multiplies the first, the rhs before
/// the prologue.
void multiply_from_cache(TilePlace t, uint step) {
  const uint deep = S(subgroups_deep), depth = S(depth_fragments), share = (depth + deep - 1u) / deep;
  bool whole = depth % deep == 0u && share % DEPTH_STEP == 0u, prologue = S(lhs) != LHS_FRAGMENTS;
  uint lhs_at[DOWN], rhs_at[ACROSS];
  [[unroll]] for (uint i = 0u; i < DOWN; ++i)
    lhs_at[i] = prologue ? (t.my_row + i) * depth * FRAGMENT
                      : P.a + min(t.first_row + t.my_row + i, P.row_fragments - 1u) * depth * FRAGMENT;
  [[unroll]] for (uint j = 0u; j < ACROSS; ++j)
    rhs_at[j] = P.weight + min(t.first_column + t.my_column + j, S(column_fragments) - 1u) * depth * FRAGMENT;

  uint k = subgroup() / (S(subgroups_down) * S(subgroups_across));
  Lhs l[DEPTH_STEP * DOWN];
  Rhs r[DEPTH_STEP * ACROSS];
  [[unroll]] for (uint u = 0u; u < DEPTH_STEP; ++u)
    [[unroll]] for (uint j = 0u; j < ACROSS; ++j)
      if (whole || k + u * deep < depth)
        LOAD_RHS(r[u * ACROSS + j], weight_quads, rhs_at[j] + (k + u * deep) * FRAGMENT, ROW_QUADS);
  if (prologue) make_lhs(S(lhs), t.first_row, S(subgroups_down) * DOWN, step, t.first_column == 0u);
  for (uint done = 0u; done < share; done += DEPTH_STEP) {
    [[unroll]] for (uint u = 0u; u < DEPTH_STEP; ++u) {
      [[unroll]] for (uint i = 0u; i < DOWN; ++i) {
        if (!whole && k + u * deep >= depth) continue;
        if (prologue) {
          LOAD_LHS(l[u * DOWN + i], tile, lhs_at[i] + (k + u * deep) * FRAGMENT, ROW_QUADS);
        } else {
          LOAD_LHS(l[u * DOWN + i], arena_quads, lhs_at[i] + (k + u * deep) * FRAGMENT, ROW_QUADS);
        }
      }
    }
    [[unroll]] for (uint u = 0u; u < DEPTH_STEP; ++u)
      [[unroll]] for (uint i = 0u; i < DOWN; ++i)
        [[unroll]] for (uint j = 0u; j < ACROSS; ++j)
          if (whole || k + u * deep < depth)
            accumulators[i * ACROSS + j] =
                MULTIPLY_ADD(l[u * DOWN + i], r[u * ACROSS + j], accumulators[i * ACROSS + j]);
    k += DEPTH_STEP * deep;
    if (done + DEPTH_STEP >= share) break;
    [[unroll]] for (uint u = 0u; u < DEPTH_STEP; ++u)
      [[unroll]] for (uint j = 0u; j < ACROSS; ++j)
        if (whole || k + u * deep < depth)
          LOAD_RHS(r[u * ACROSS + j], weight_quads, rhs_at[j] + (k + u * deep) * FRAGMENT, ROW_QUADS);
  }
}

/// Where quad i of an invocation's share of a chunk lies in the arena or the weights, but for the chunk.
uint chunk_from(TilePlace t, uint i) {
  const uint q = local_index() + i * INVOCATIONS, fragment = q / FRAGMENT, line = fragment / CHUNK;
  const uint depth = S(depth_fragments);
  const uint start = line < ROWS
                         ? P.a + min(t.first_row + line, P.row_fragments - 1u) * depth * FRAGMENT
                         : P.weight + min(t.first_column + line - ROWS, S(column_fragments) - 1u) * depth * FRAGMENT;
  return start + fragment % CHUNK * FRAGMENT + q % FRAGMENT;
}

/// Where quad i of an invocation's share of a chunk goes in the tile.
uint chunk_to(uint i) {
  const uint q = local_index() + i * INVOCATIONS, fragment = q / FRAGMENT, quad = q % FRAGMENT;
  return fragment / CHUNK * CHUNK_LINE + quad / ROW_QUADS * CHUNK_PITCH + fragment % CHUNK * ROW_QUADS +
         quad % ROW_QUADS;
}

void multiply_chunk(TilePlace t, uint base) {
  [[unroll]] for (uint u = 0u; u < CHUNK; ++u) {
    Lhs l[DOWN];
    Rhs r[ACROSS];
    [[unroll]] for (uint i = 0u; i < DOWN; ++i)
      LOAD_LHS(l[i], tile, base + (t.my_row + i) * CHUNK_LINE + u * ROW_QUADS, CHUNK_PITCH);
    [[unroll]] for (uint j = 0u; j < ACROSS; ++j)
      LOAD_RHS(r[j], tile, base + (ROWS + t.my_column + j) * CHUNK_LINE + u * ROW_QUADS, CHUNK_PITCH);
    [[unroll]] for (uint i = 0u; i < DOWN; ++i)
      [[unroll]] for (uint j = 0u; j < ACROSS; ++j)
        accumulators[i * ACROSS + j] = MULTIPLY_ADD(l[i], r[j], accumulators[i * ACROSS + j]);
  }
}

/// CHUNK fragments of the depth at a time pass through shared memory, the next ones in registers meanwhile.
void multiply_through_tile(TilePlace t) {
  uvec4 quads[CHUNK_QUADS];
  uint from[CHUNK_QUADS], to[CHUNK_QUADS];
  [[unroll]] for (uint i = 0u; i < CHUNK_QUADS; ++i) {
    from[i] = chunk_from(t, i);
    to[i] = chunk_to(i);
  }
  const uint lhs = ROWS * CHUNK * FRAGMENT / INVOCATIONS;  // of an invocation's quads: a whole number
#define FETCH(k)                                                      \
  [[unroll]] for (uint i = 0u; i < CHUNK_QUADS; ++i) {                     \
    if (i < lhs) quads[i] = arena_quads[from[i] + (k) * FRAGMENT];       \
    else quads[i] = weight_quads[from[i] + (k) * FRAGMENT];               \
  }
#define PUT [[unroll]] for (uint i = 0u; i < CHUNK_QUADS; ++i) tile[base + to[i]] = quads[i];
  uint base = 0u;
  FETCH(0u)
  PUT
  barrier();
  for (uint k = 0u; k < S(depth_fragments); k += CHUNK) {
    const bool more = k + CHUNK < S(depth_fragments);
    if (more) FETCH(k + CHUNK)
    multiply_chunk(t, base);
    if (TWO_TILES) base = CHUNK_TILE - base;
    else barrier();
    if (more) PUT
    barrier();
  }
#undef FETCH
#undef PUT
}

/// Four number `four` of fragment `first` + `nth` of those of the subgroup at `place`.
Four result_four(TilePlace t, uint first, uint nth, uint place, uint four) {
  const uint i = (first + nth) / ACROSS, j = (first + nth) % ACROSS, across = S(subgroups_across);
  return Four(t.first_row + place / across * DOWN + i, four / 4u,
              (t.first_column + place % across * ACROSS + j) * 16u + four % 4u * 4u);
}

void product(uint tile_at, uint step) {
  const uint deep = S(subgroups_deep), places = S(subgroups_down) * S(subgroups_across), place = subgroup() % places;
  const TilePlace t = TilePlace(tile_at / S(tiles_across) * S(subgroups_down) * DOWN,
                                tile_at % S(tiles_across) * S(subgroups_across) * ACROSS,
                                place / S(subgroups_across) * DOWN, place % S(subgroups_across) * ACROSS);
  // A subgroup that shares its accumulators with no other stores them itself, and needs to wait for nobody.
  const bool alone = deep == 1u;
  const uint sharers = alone ? 32u : INVOCATIONS, me = alone ? invocation() : local_index();
  const uint fours = ROOM * 64u * (alone ? 1u : places), turns = (fours + sharers - 1u) / sharers;
#define RESULT_FOUR(first, item)                                                                    \
  result_four(t, first, alone ? (item) / 64u : (item) / 64u / places,                                \
              alone ? place : (item) / 64u % places, (item) % 64u)
  Epilogue next = epilogue_of(RESULT_FOUR(0u, me), step);

  [[unroll]] for (uint i = 0u; i < DOWN * ACROSS; ++i) accumulators[i] = no_accumulator();
  if (CHUNK > 0u) {
    multiply_through_tile(t);
  } else {
    multiply_from_cache(t, step);
  }

  [[unroll]] for (uint first = 0u; first < DOWN * ACROSS; first += ROOM) {
    barrier();
    [[unroll]] for (uint b = 0u; b < ROOM; ++b)
      STORE_ACCUMULATOR(accumulators[first + b], sums, (subgroup() * ROOM + b) * 256u);
    barrier();
    [[unroll]] for (uint turn = 0u; turn < turns; ++turn) {
      const uint item = me + turn * sharers;
      const Four f = RESULT_FOUR(first, item);
      const Epilogue m = next;
      // The next four's operands are on their way while this one is added up.
      const bool last = turn + 1u == turns;
      if (!last || first + ROOM < DOWN * ACROSS)
        next = epilogue_of(RESULT_FOUR(last ? first + ROOM : first, last ? me : item + sharers), step);
      if (item >= fours) continue;
      vec4 v = vec4(0.0);
      for (uint d = 0u; d < deep; ++d) {
        const uint from = alone ? subgroup() : d * places + item / 64u % places;
        const uint at = (from * ROOM + (alone ? item / 64u : item / 64u / places)) * 256u + item % 64u * 4u;
        v += vec4(sums[at], sums[at + 1u], sums[at + 2u], sums[at + 3u]);
      }
      store_four(f, v, m, step);
    }
  }
}
