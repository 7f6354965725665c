// SPDX-License-Identifier: MIT
// Products: a workgroup makes a tile of subgroups_down·DOWN × subgroups_across·ACROSS blocks, each warp DOWN × ACROSS of them over
// every subgroups_deep-th block of the sum. Small products are read straight from the cache into registers, large ones pass
// through shared memory. What is needed once the sum is there (bias, gate, the old value) is asked for before it is made.
// Sums of whole blocks that nobody shares leave as matrices; the others pass through shared memory, four values at a time.

/// Sums of this warp's blocks.
SumBlock sum[DOWN * ACROSS];

/// The tile that a workgroup makes, and this warp's share of it, in blocks.
struct TilePlace {
  uint first_row, first_column, my_row, my_column;
};

/// Four neighbouring values of a product.
struct Four {
  uint block, row, column;  // row of the block, column of the product
};

/// What the values of a product meet as they leave.
struct Meeting {
  vec4 bias, gate, old;
};

bool real(Four f) {
  const uint token = f.block % S(token_fragments) * 16u + f.row;
  return f.block < P.row_fragments && f.column < S(column_fragments) * 16u && token < S(tokens);
}

/// Where a four lies in a tensor of rows, in fours of values.
uint in_rows(Four f) { return (f.block * 16u + f.row) * S(column_fragments) * 4u + f.column / 4u; }

Meeting meeting(Four f, uint step) {
  Meeting m = Meeting(vec4(0.0), vec4(1.0), vec4(0.0));
  if (!real(f)) return m;
  if (S(bias) != NO_PLACE) m.bias = weight_floats[P.bias + f.column / 4u];
  if (f.column >= S(columns)) return m;
  if (S(store) == STORE_ADD) {
    if (S(gate) != NO_PLACE) m.gate = table_four(table_row(f.block / S(token_fragments), step), P.gate, f.column, S(columns));
    m.old = arena_floats4[P.y + in_rows(f)];
  } else if (S(store) == STORE_EMBED) {
    const uint token = f.block % S(token_fragments) * 16u + f.row;
    m.old = weight_floats[P.position + token * S(column_fragments) * 4u + f.column / 4u];
  }
  return m;
}

void store_four(Four f, vec4 v, Meeting m, uint step) {
  if (!real(f)) return;
  v += m.bias;
  if (S(store) == STORE_FRAGMENTS) {
    [[unroll]] for (uint i = 0u; i < 4u; ++i) v[i] = activated(v[i], S(activation));
    set_arena_four(P.y + (f.block * S(column_fragments) + f.column / 16u) * BLOCK, in_block(f.row, f.column % 16u / 4u), v);
    return;
  }
  if (f.column >= S(columns)) return;
  const uint batch_row = f.block / S(token_fragments), token = f.block % S(token_fragments) * 16u + f.row;
  if (S(store) == STORE_ROWS) {
    arena_floats4[P.y + in_rows(f)] = v;
  } else if (S(store) == STORE_ADD || S(store) == STORE_EMBED) {
    arena_floats4[P.y + in_rows(f)] = m.old + m.gate * v;
  } else if (S(store) == STORE_IMAGE) {
    for (uint i = 0u; i < 4u && f.column + i < S(columns); ++i)
      arena_floats[P.y * 4u + batch_row * icon_elements() + pixel_of(token, f.column + i)] = v[i];
  } else if (S(store) == STORE_SOLVE) {
    const uint solver_at = solver_row[step * P.batch + batch_row], pixel = pixel_of(token, f.column);
    const SolverRow w = solver[solver_at];
    vec4 z = vec4(0.0);
    if (w.c != 0.0) z = normals(batch_row, solver_at + 1u, pixel / 4u);
    [[unroll]] for (uint i = 0u; i < 4u; ++i)
      solve(w, batch_row * icon_elements() + pixel + i, P.batch * icon_elements(), v[i], z[i], step);
  }
}

/// Makes the left side of the tile in shared memory where it is not in the arena yet.
void make_left(uint left, uint first_block, uint blocks, uint step, bool keep) {
  if (left == LHS_NORM) {
    norm_rows(first_block, blocks, step, true);
  } else if (left == LHS_WINDOWS) {
    window_rows(first_block, blocks, step, true, keep);
  } else {
    for (uint head = 0u; head < S(heads); head += S(head_group)) {
      attend(first_block, head, true);
      barrier();
    }
  }
  barrier();
}

/// Each warp for itself: all loads of AHEAD blocks of the sum are under way before the first is multiplied, those of the
/// weights before the left side is made.
void multiply_from_cache(TilePlace t, uint step) {
  const uint deep = S(subgroups_deep), depth = S(depth_fragments), share = (depth + deep - 1u) / deep;
  bool whole = depth % deep == 0u && share % AHEAD == 0u, made = S(lhs) != LHS_FRAGMENTS;
  uint left_at[DOWN], right_at[ACROSS];
  [[unroll]] for (uint i = 0u; i < DOWN; ++i)
    left_at[i] = made ? (t.my_row + i) * depth * BLOCK
                      : P.a + min(t.first_row + t.my_row + i, P.row_fragments - 1u) * depth * BLOCK;
  [[unroll]] for (uint j = 0u; j < ACROSS; ++j)
    right_at[j] = P.weight + min(t.first_column + t.my_column + j, S(column_fragments) - 1u) * depth * BLOCK;

  uint k = warp() / (S(subgroups_down) * S(subgroups_across));
  LeftBlock l[AHEAD * DOWN];
  RightBlock r[AHEAD * ACROSS];
  [[unroll]] for (uint u = 0u; u < AHEAD; ++u)
    [[unroll]] for (uint j = 0u; j < ACROSS; ++j)
      if (whole || k + u * deep < depth)
        LOAD_RIGHT(r[u * ACROSS + j], weight_quads, right_at[j] + (k + u * deep) * BLOCK, ROW_QUADS);
  if (made) make_left(S(lhs), t.first_row, S(subgroups_down) * DOWN, step, t.first_column == 0u);
  for (uint done = 0u; done < share; done += AHEAD) {
    [[unroll]] for (uint u = 0u; u < AHEAD; ++u) {
      [[unroll]] for (uint i = 0u; i < DOWN; ++i) {
        if (!whole && k + u * deep >= depth) continue;
        if (made) {
          LOAD_LEFT(l[u * DOWN + i], tile, left_at[i] + (k + u * deep) * BLOCK, ROW_QUADS);
        } else {
          LOAD_LEFT(l[u * DOWN + i], arena_quads, left_at[i] + (k + u * deep) * BLOCK, ROW_QUADS);
        }
      }
    }
    [[unroll]] for (uint u = 0u; u < AHEAD; ++u)
      [[unroll]] for (uint i = 0u; i < DOWN; ++i)
        [[unroll]] for (uint j = 0u; j < ACROSS; ++j)
          if (whole || k + u * deep < depth)
            sum[i * ACROSS + j] = MULTIPLY_ADD(l[u * DOWN + i], r[u * ACROSS + j], sum[i * ACROSS + j]);
    k += AHEAD * deep;
    if (done + AHEAD >= share) break;
    [[unroll]] for (uint u = 0u; u < AHEAD; ++u)
      [[unroll]] for (uint j = 0u; j < ACROSS; ++j)
        if (whole || k + u * deep < depth)
          LOAD_RIGHT(r[u * ACROSS + j], weight_quads, right_at[j] + (k + u * deep) * BLOCK, ROW_QUADS);
  }
}

/// Where quad i of an invocation's share of a chunk lies in the arena or the weights, but for the chunk.
uint staged_from(TilePlace t, uint i) {
  const uint q = invocation() + i * INVOCATIONS, block = q / BLOCK, line = block / CHUNK;
  const uint start = line < ROWS
                         ? P.a + min(t.first_row + line, P.row_fragments - 1u) * S(depth_fragments) * BLOCK
                         : P.weight + min(t.first_column + line - ROWS, S(column_fragments) - 1u) * S(depth_fragments) * BLOCK;
  return start + block % CHUNK * BLOCK + q % BLOCK;
}

/// Where quad i of an invocation's share of a chunk goes in a staged tile.
uint staged_to(uint i) {
  const uint q = invocation() + i * INVOCATIONS, block = q / BLOCK, quad = q % BLOCK;
  return block / CHUNK * STAGED_LINE + quad / ROW_QUADS * STAGED_PITCH + block % CHUNK * ROW_QUADS + quad % ROW_QUADS;
}

void multiply_chunk(TilePlace t, uint base) {
  [[unroll]] for (uint u = 0u; u < CHUNK; ++u) {
    LeftBlock l[DOWN];
    RightBlock r[ACROSS];
    [[unroll]] for (uint i = 0u; i < DOWN; ++i)
      LOAD_LEFT(l[i], tile, base + (t.my_row + i) * STAGED_LINE + u * ROW_QUADS, STAGED_PITCH);
    [[unroll]] for (uint j = 0u; j < ACROSS; ++j)
      LOAD_RIGHT(r[j], tile, base + (ROWS + t.my_column + j) * STAGED_LINE + u * ROW_QUADS, STAGED_PITCH);
    [[unroll]] for (uint i = 0u; i < DOWN; ++i)
      [[unroll]] for (uint j = 0u; j < ACROSS; ++j)
        sum[i * ACROSS + j] = MULTIPLY_ADD(l[i], r[j], sum[i * ACROSS + j]);
  }
}

/// CHUNK blocks of the sum at a time pass through shared memory, the next ones in registers meanwhile.
void multiply_staged(TilePlace t) {
  uvec4 held[STAGED];
  uint from[STAGED], to[STAGED];
  [[unroll]] for (uint i = 0u; i < STAGED; ++i) {
    from[i] = staged_from(t, i);
    to[i] = staged_to(i);
  }
  const uint left = ROWS * CHUNK * BLOCK / INVOCATIONS;  // of an invocation's quads: a whole number
#define FETCH(k)                                                      \
  [[unroll]] for (uint i = 0u; i < STAGED; ++i) {                     \
    if (i < left) held[i] = arena_quads[from[i] + (k) * BLOCK];       \
    else held[i] = weight_quads[from[i] + (k) * BLOCK];               \
  }
#define PUT [[unroll]] for (uint i = 0u; i < STAGED; ++i) tile[base + to[i]] = held[i];
  uint base = 0u;
  FETCH(0u)
  PUT
  barrier();
  for (uint k = 0u; k < S(depth_fragments); k += CHUNK) {
    const bool more = k + CHUNK < S(depth_fragments);
    if (more) FETCH(k + CHUNK)
    multiply_chunk(t, base);
    if (TWO_TILES) base = STAGED_TILE - base;
    else barrier();
    if (more) PUT
    barrier();
  }
#undef FETCH
#undef PUT
}

/// Four number `item` of those that leave together, SLOTS blocks a warp from block `first` of its share on. `place`: of
/// the warp that made it
Four leaving_four(TilePlace t, uint first, uint slot, uint place, uint four) {
  const uint i = (first + slot) / ACROSS, j = (first + slot) % ACROSS, across = S(subgroups_across);
  return Four(t.first_row + place / across * DOWN + i, four / 4u,
              (t.first_column + place % across * ACROSS + j) * 16u + four % 4u * 4u);
}


void product(uint tile_at, uint step) {
  const uint deep = S(subgroups_deep), places = S(subgroups_down) * S(subgroups_across), place = warp() % places;
  const TilePlace t = TilePlace(tile_at / S(tiles_across) * S(subgroups_down) * DOWN,
                                tile_at % S(tiles_across) * S(subgroups_across) * ACROSS,
                                place / S(subgroups_across) * DOWN, place % S(subgroups_across) * ACROSS);
  // A warp that shares its sums with no other stores them itself, and needs to wait for nobody.
  const bool alone = deep == 1u;
  const uint sharers = alone ? 32u : INVOCATIONS, me = alone ? lane() : invocation();
  const uint fours = SLOTS * 64u * (alone ? 1u : places), turns = (fours + sharers - 1u) / sharers;
#define LEAVING_FOUR(first, item)                                                                    \
  leaving_four(t, first, alone ? (item) / 64u : (item) / 64u / places, alone ? place : (item) / 64u % places, (item) % 64u)
  Meeting next = meeting(LEAVING_FOUR(0u, me), step);

  [[unroll]] for (uint i = 0u; i < DOWN * ACROSS; ++i) sum[i] = no_sum();
  if (CHUNK > 0u) {
    multiply_staged(t);
  } else {
    multiply_from_cache(t, step);
  }

  [[unroll]] for (uint first = 0u; first < DOWN * ACROSS; first += SLOTS) {
    barrier();
    [[unroll]] for (uint b = 0u; b < SLOTS; ++b) STORE_SUM(sum[first + b], sums, (warp() * SLOTS + b) * 256u);
    barrier();
    [[unroll]] for (uint turn = 0u; turn < turns; ++turn) {
      const uint item = me + turn * sharers;
      const Four f = LEAVING_FOUR(first, item);
      const Meeting m = next;
      // The next four's operands are on their way while this one is added up.
      const bool last = turn + 1u == turns;
      if (!last || first + SLOTS < DOWN * ACROSS)
        next = meeting(LEAVING_FOUR(last ? first + SLOTS : first, last ? me : item + sharers), step);
      if (item >= fours) continue;
      vec4 v = vec4(0.0);
      for (uint d = 0u; d < deep; ++d) {
        const uint from = alone ? warp() : d * places + item / 64u % places;
        const uint at = (from * SLOTS + (alone ? item / 64u : item / 64u / places)) * 256u + item % 64u * 4u;
        v += vec4(sums[at], sums[at + 1u], sums[at + 2u], sums[at + 3u]);
      }
      store_four(f, v, m, step);
    }
  }
}
