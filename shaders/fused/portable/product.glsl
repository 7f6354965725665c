// SPDX-License-Identifier: MIT
// Products: a workgroup makes a tile of subgroups_down·DOWN × subgroups_across·ACROSS fragments, each subgroup DOWN ×
// ACROSS of them over every subgroups_deep-th fragment of the depth. Small products are read straight from the cache,
// large ones pass through shared memory. The epilogue takes four values at a time, from the registers of the invocation
// that made them, or through shared memory where several subgroups share a sum.

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

// What no tile of a product can be beyond is not asked for.
bool real(Four f) {
  if (f.fragment >= P.row_fragments) return false;
  if (S(column_fragments) % COLUMNS != 0u && f.column >= S(column_fragments) * 16u) return false;
  return S(tokens) % 16u == 0u || f.fragment % S(token_fragments) * 16u + f.row < S(tokens);
}

/// Whether a four is one of padding between the last real column and the end of its fragment.
bool beyond_columns(Four f) { return S(columns) != S(column_fragments) * 16u && f.column >= S(columns); }

/// Where a four lies in a tensor of rows, in fours of values.
uint in_rows(Four f) { return (f.fragment * 16u + f.row) * S(column_fragments) * 4u + f.column / 4u; }

Epilogue epilogue_of(Four f, uint step) {
  Epilogue m = Epilogue(vec4(0.0), vec4(1.0), vec4(0.0));
  if (!real(f)) return m;
  if (S(bias) != NO_PLACE) m.bias = weight_floats[P.bias + f.column / 4u];
  if (beyond_columns(f)) return m;
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
  if (beyond_columns(f)) return;
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

// A chunk has ROWS + COLUMNS lines of CHUNK fragments. An invocation moves the same quad of every CHUNK_STRIDEth of them.
const uint CHUNK_STRIDE = INVOCATIONS / FRAGMENT;
const uint LHS_QUADS = ROWS * CHUNK * FRAGMENT / INVOCATIONS;  // of an invocation's: a whole number

/// Line and fragment in it of quad i of an invocation's share of a side, i counted from the first of that side.
uvec2 chunk_place(uint i) {
  const uint first = local_index() / FRAGMENT;
  if (CHUNK_STRIDE % CHUNK == 0u) return uvec2(first / CHUNK + i * (CHUNK_STRIDE / CHUNK), first % CHUNK);
  return uvec2((first + i * CHUNK_STRIDE) / CHUNK, (first + i * CHUNK_STRIDE) % CHUNK);
}

// Where a quad lies in the arena or the weights. Made anew for each chunk: to keep it takes registers that sums need
// more.
uint lhs_from(TilePlace t, uint i, uint k) {
  const uvec2 at = chunk_place(i);
  const uint row = min(t.first_row + at.x, P.row_fragments - 1u);
  return P.a + (row * S(depth_fragments) + k + at.y) * FRAGMENT + local_index() % FRAGMENT;
}
uint rhs_from(TilePlace t, uint i, uint k) {
  const uvec2 at = chunk_place(i);
  uint column = t.first_column + at.x;
  if (S(column_fragments) % COLUMNS != 0u) column = min(column, S(column_fragments) - 1u);
  return P.weight + (column * S(depth_fragments) + k + at.y) * FRAGMENT + local_index() % FRAGMENT;
}

// Where it goes in the tile. Of the rhs columns 0, 4, 8 and 12 of a fragment, which neighbouring invocations read at
// the same time, lie beside each other, then 1, 5, 9 and 13, and so on.
uint chunk_to(uint i, uint row) {
  const uvec2 at = chunk_place(i);
  return at.x * CHUNK_LINE + row * CHUNK_PITCH + at.y * ROW_QUADS + local_index() % ROW_QUADS;
}
uint chunk_row() { return local_index() % FRAGMENT / ROW_QUADS; }
uint lhs_to(uint i) { return chunk_to(i, chunk_row()); }
uint rhs_to(uint i) { return ROWS * CHUNK_LINE + chunk_to(i, chunk_row() % 4u * 4u + chunk_row() / 4u); }

/// A quad of both sides at a time: four values of the depth, or eight halves.
void multiply_chunk(TilePlace t, uint base) {
  uint lhs_at = base + t.my_row * CHUNK_LINE + own_row() * CHUNK_PITCH;
  uint rhs_at = base + (ROWS + t.my_column) * CHUNK_LINE + own_column() * CHUNK_PITCH;
  [[dont_unroll]] for (uint k = 0u; k < CHUNK * ROW_QUADS; ++k) {
    uvec4 lhs[2u * DOWN];
    [[unroll]] for (uint i = 0u; i < 2u * DOWN; ++i) lhs[i] = tile[lhs_at + i * 8u * CHUNK_PITCH];
    [[unroll]] for (uint j = 0u; j < 4u * ACROSS; ++j) {
      const uvec4 rhs = tile[rhs_at + j * 4u * CHUNK_PITCH];
      [[unroll]] for (uint c = 0u; c < QUAD_VALUES; ++c) {
        [[unroll]] for (uint i = 0u; i < DOWN; ++i) {
          accumulators[i * ACROSS + j / 4u].low[j % 4u] += quad_value(lhs[2u * i], c) * quad_value(rhs, c);
          accumulators[i * ACROSS + j / 4u].high[j % 4u] += quad_value(lhs[2u * i + 1u], c) * quad_value(rhs, c);
        }
      }
    }
    ++lhs_at;
    ++rhs_at;
  }
}

/// CHUNK fragments of the depth at a time pass through shared memory, the next ones in registers meanwhile.
void multiply_through_tile(TilePlace t) {
  uvec4 quads[CHUNK_QUADS];
#define FETCH(k)                                                                                                 \
  [[unroll]] for (uint i = 0u; i < LHS_QUADS; ++i) quads[i] = arena_quads[lhs_from(t, i, k)];                    \
  [[unroll]] for (uint i = LHS_QUADS; i < CHUNK_QUADS; ++i) quads[i] = weight_quads[rhs_from(t, i - LHS_QUADS, k)];
#define PUT                                                                                       \
  [[unroll]] for (uint i = 0u; i < LHS_QUADS; ++i) tile[base + lhs_to(i)] = quads[i];             \
  [[unroll]] for (uint i = LHS_QUADS; i < CHUNK_QUADS; ++i) tile[base + rhs_to(i - LHS_QUADS)] = quads[i];
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

/// Four number `nth` of those that this invocation has in its accumulators: two a fragment.
Four own_four(TilePlace t, uint nth) {
  return Four(t.first_row + t.my_row + nth / 2u / ACROSS, own_row() + nth % 2u * 8u,
              (t.first_column + t.my_column + nth / 2u % ACROSS) * 16u + own_column() * 4u);
}

// Fours whose operands are on their way at the same time: where both sides came through shared memory the registers that
// held them are free by then.
const uint GROUP = CHUNK > 0u ? 4u : 2u;

/// Operands of a group of an invocation's own fours.
void ask(TilePlace t, uint first, uint step, out Epilogue group[GROUP]) {
  [[unroll]] for (uint i = 0u; i < GROUP; ++i) group[i] = epilogue_of(own_four(t, first + i), step);
}

/// The accumulators of a subgroup that shares them with no other: it needs to wait for nobody.
void store_own(TilePlace t, Epilogue group[GROUP], uint step) {
  [[unroll]] for (uint first = 0u; first < 2u * DOWN * ACROSS; first += GROUP) {
    if (first > 0u) ask(t, first, step, group);
    [[unroll]] for (uint i = 0u; i < GROUP; ++i) {
      if (first + i >= 2u * DOWN * ACROSS) continue;
      const Accumulator a = accumulators[(first + i) / 2u];
      store_four(own_four(t, first + i), i % 2u == 0u ? a.low : a.high, group[i], step);
    }
  }
}

/// The accumulators of all subgroups, those along the depth added up.
void store_shared(TilePlace t, uint places, Epilogue next, uint step) {
  const uint deep = S(subgroups_deep), fours = ROOM * 64u * places, turns = (fours + INVOCATIONS - 1u) / INVOCATIONS;
#define RESULT_FOUR(first, item) \
  result_four(t, first, (item) / 64u / places, (item) / 64u % places, (item) % 64u)
  const uint me = local_index();
  [[unroll]] for (uint first = 0u; first < DOWN * ACROSS; first += ROOM) {
    barrier();
    [[unroll]] for (uint b = 0u; b < ROOM; ++b)
      STORE_ACCUMULATOR(accumulators[first + b], sums, (subgroup() * ROOM + b) * 256u);
    barrier();
    [[unroll]] for (uint turn = 0u; turn < turns; ++turn) {
      const uint item = me + turn * INVOCATIONS;
      const Four f = RESULT_FOUR(first, item);
      const Epilogue m = next;
      const bool last = turn + 1u == turns;
      if (!last || first + ROOM < DOWN * ACROSS)
        next = epilogue_of(RESULT_FOUR(last ? first + ROOM : first, last ? me : item + INVOCATIONS), step);
      if (item >= fours) continue;
      vec4 v = vec4(0.0);
      for (uint d = 0u; d < deep; ++d) {
        const uint from = d * places + item / 64u % places;
        const uint at = (from * ROOM + item / 64u / places) * 256u + item % 64u * 4u;
        v += vec4(sums[at], sums[at + 1u], sums[at + 2u], sums[at + 3u]);
      }
      store_four(f, v, m, step);
    }
  }
}

void product(uint tile_at, uint step) {
  const uint places = S(subgroups_down) * S(subgroups_across), place = subgroup() % places;
  const TilePlace t = TilePlace(tile_at / S(tiles_across) * S(subgroups_down) * DOWN,
                                tile_at % S(tiles_across) * S(subgroups_across) * ACROSS,
                                place / S(subgroups_across) * DOWN, place % S(subgroups_across) * ACROSS);
  [[unroll]] for (uint i = 0u; i < DOWN * ACROSS; ++i) accumulators[i] = no_accumulator();
  Epilogue group[GROUP];
  if (CHUNK > 0u) {
    multiply_through_tile(t);
    ask(t, 0u, step, group);
    store_own(t, group, step);
  } else if (S(subgroups_deep) == 1u) {
    // What the epilogue needs first is asked for before the product is computed.
    ask(t, 0u, step, group);
    multiply_from_cache(t, step);
    store_own(t, group, step);
  } else {
    const Epilogue first = epilogue_of(RESULT_FOUR(0u, local_index()), step);
    multiply_from_cache(t, step);
    store_shared(t, places, first, step);
  }
}
