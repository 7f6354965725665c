// SPDX-License-Identifier: MIT
// Products on matrix hardware: a workgroup makes a tile of subgroups_down·down × subgroups_across·across blocks, each warp
// down × across of them over a share of the sum. Both sides go from the caches straight into registers, `ahead` blocks of
// the sum a turn; weights are asked for before the stage before has ended. Sums that subgroups_deep warps share meet in shared
// memory, the others stay where they are, and both leave a block a warp at a time.

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

/// A term whose coefficient is 0 is not read; see solved().
Solving ask_solver(Leaving p, uint solver_at, SolverRow row, uint step) {
  const uint batch_row = p.block / S(token_fragments);
  const uint history = P.history * 2u, slot = P.batch * icon_elements() / 2u;
  const uvec4 pixel = pixels_of(p), at = (batch_row * icon_elements() + pixel) / 2u;
  const bvec4 real = real_pairs(p);
  Solving s;
  s.row = row;
  [[unroll]] for (uint i = 0u; i < 4u; ++i) {
    s.past[i] = s.noise[i] = vec2(0.0);
    if (!real[i]) continue;
    if (s.row.b1 != 0.0) s.past[i] += s.row.b1 * arena_floats2[history + ((step - 1u) & 3u) * slot + at[i]];
    if (s.row.b2 != 0.0) s.past[i] += s.row.b2 * arena_floats2[history + ((step - 2u) & 3u) * slot + at[i]];
    if (s.row.b3 != 0.0) s.past[i] += s.row.b3 * arena_floats2[history + ((step - 3u) & 3u) * slot + at[i]];
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

/// The solver's step of four pairs of neighbouring elements, whose prediction is `h`; see solved().
void solve_pairs(Leaving p, Held h, Held old, Solving s, uint step) {
  const uint slot = P.batch * icon_elements() / 2u;
  const uvec4 at = (p.block / S(token_fragments) * icon_elements() + pixels_of(p)) / 2u;
  const bvec4 real = real_pairs(p);
  const vec2 e[4] = vec2[4](h.upper.xy, h.upper.zw, h.lower.xy, h.lower.zw);
  const vec2 x[4] = vec2[4](old.upper.xy, old.upper.zw, old.lower.xy, old.lower.zw);
  [[unroll]] for (uint i = 0u; i < 4u; ++i) {
    if (!real[i]) continue;
    vec2 d = vec2(0.0), result = vec2(0.0);
    if (s.row.from_x != 0.0) d += s.row.from_x * x[i];
    if (s.row.from_e != 0.0) d += s.row.from_e * e[i];
    if (s.row.a != 0.0) result += s.row.a * x[i];
    if (s.row.b0 != 0.0) result += s.row.b0 * d;
    result += s.past[i];
    if (s.row.c != 0.0) result += s.row.c * s.noise[i];
    arena_floats2[P.history * 2u + (step & 3u) * slot + at[i]] = d;
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

/// Line and column of a tile. By column, workgroups side by side want the same weights, which their multiprocessor's cache
/// then has; but what a line of tiles reads of the left side has left the L2 cache when the next column wants it.
uvec2 place_of_tile(uint tile_at) {
  if (S(by_column) == 0u) return uvec2(tile_at / S(tiles_across), tile_at % S(tiles_across));
  const uint down = P.tiles / S(tiles_across);
  return uvec2(tile_at % down, tile_at / down);
}

void product(uint tile_at, uint step) {
  const uint depth = S(depth_fragments), deep = S(subgroups_deep), places = S(subgroups_down) * S(subgroups_across);
  const uint place = warp() % places, member = warp() / places, share = (depth + deep - 1u) / deep;
  const uvec2 tile = place_of_tile(tile_at);
  const uint first_row = tile.x * S(subgroups_down) * S(down);
  const uint row = first_row + place / S(subgroups_across) * S(down);
  const uint first_column = tile.y * S(subgroups_across) * S(across);
  const uint column = first_column + place % S(subgroups_across) * S(across);
  bool whole = depth % deep == 0u && share % S(depth_step) == 0u;
  const uint start = member * share, end = min(start + share, depth);

  // A block, or the last where a tile may hang over the edge.
#define EXACTLY(part, at, count) ((S(exact) & part) != 0u ? at : min(at, count - 1u))
#define LEAVING(b) leaving_block(b, first_row, first_column, row, column)
  Meeting met;
  SolverRow solver_now;
  Solving solving;
  if (deep > 1u) met = constants_of(LEAVING(0u), step);
  if (deep > 1u && S(store) == STORE_SOLVE) solver_now = solver[met.solver_at];
  uint left_at[S(down)], right_at[S(across)];
  EACH(i, S(down))
    left_at[i] = P.a + EXACTLY(EXACT_LHS, row + i, P.row_fragments) * depth * BLOCK + lane();
  EACH(j, S(across))
    right_at[j] = P.weight + EXACTLY(EXACT_RHS, column + j, S(column_fragments)) * depth * BLOCK + lane();

  SumBlock sum[S(down) * S(across)];
  EACH(i, S(down) * S(across)) sum[i] = no_sum();
  if (S(lhs) != LHS_FRAGMENTS) {
    EACH(u, S(lhs_share))
      EACH(j, S(across))
        made_weights[u * S(across) + j] = weight_quads[right_at[j] + min(warp() * S(lhs_share) + u, depth - 1u) * BLOCK];
    if (S(lhs) == LHS_NORM) ask_normed(first_row, step);
    // While the rows are on their way.
    if (deep > 1u && S(store) == STORE_SOLVE) solving = ask_solver(LEAVING(0u), met.solver_at, solver_now, step);
    if (S(lhs) == LHS_NORM) make_normed();
    else if (S(lhs) == LHS_WINDOWS) make_windows(first_row, step, first_column == 0u);
    else make_attention(first_row);
    if (deep > 1u) ask_old(LEAVING(0u), met);
    EACH(u, S(lhs_share))
      EACH(j, S(across))
        sum[j] = MULTIPLY_ADD(left_of(warp() * S(lhs_share) + u < depth ? made_blocks[u] : uvec4(0u)),
                              right_of(made_weights[u * S(across) + j]), sum[j]);
  } else {
    uvec4 l[S(depth_step) * S(down)], r[S(depth_step) * S(across)];
#define FETCH_RIGHT(u, k) \
  EACH(j, S(across))      \
    r[(u) * S(across) + j] = weight_quads[right_at[j] + (whole ? (k) : min(k, depth - 1u)) * BLOCK];
#define FETCH_LEFT(u, k) \
  EACH(i, S(down))       \
    l[(u) * S(down) + i] = arena_quads[left_at[i] + (whole ? (k) : min(k, depth - 1u)) * BLOCK];
#define MULTIPLY(u, k)                                                                         \
  {                                                                                            \
    LeftBlock left[S(down)];                                                                   \
    RightBlock right[S(across)];                                                               \
    EACH(i, S(down)) left[i] = left_of(whole || (k) < end ? l[(u) * S(down) + i] : uvec4(0u)); \
    EACH(j, S(across)) right[j] = right_of(r[(u) * S(across) + j]);                            \
    EACH(i, S(down))                                                                           \
      EACH(j, S(across))                                                                       \
        sum[i * S(across) + j] = MULTIPLY_ADD(left[i], right[j], sum[i * S(across) + j]);      \
  }
    uint done = 0u;
#ifdef PERSISTENT
    EACH(u, S(depth_step)) FETCH_RIGHT(u, start + u)
    await_others();
    EACH(u, S(depth_step)) FETCH_LEFT(u, start + u)
    if (deep > 1u) ask_old(LEAVING(0u), met);
    EACH(u, S(depth_step)) MULTIPLY(u, start + u)
    done = S(depth_step);
#else
    if (deep > 1u) ask_old(LEAVING(0u), met);
#endif
    // Without a branch or a value handed on to the next turn: the compiler waits for what it hands on.
    [[dont_unroll]] for (; done < share; done += S(depth_step)) {
      EACH(u, S(depth_step)) {
        FETCH_LEFT(u, start + done + u)
        FETCH_RIGHT(u, start + done + u)
        MULTIPLY(u, start + done + u)
      }
    }
  }

  if (deep == 1u) {
    // The old values of the next line of blocks are on their way while this one leaves.
    Meeting now[S(across)], next[S(across)];
    EACH(j, S(across)) ask(LEAVING(j), next[j], step);
    // Blocks below one another are of one icon, if they do not straddle two.
    const bool one_icon = S(token_fragments) % S(down) == 0u;
    if (S(store) == STORE_SOLVE && one_icon) solver_now = solver[next[0].solver_at];
    EACH(i, S(down)) {
      EACH(j, S(across)) now[j] = next[j];
      if (i + 1u < S(down)) {
        EACH(j, S(across)) ask(LEAVING((i + 1u) * S(across) + j), next[j], step);
      }
      EACH(j, S(across)) {
        const Leaving p = LEAVING(i * S(across) + j);
        if (S(store) == STORE_SOLVE) {
          if (!one_icon) solver_now = solver[now[j].solver_at];
          solving = ask_solver(p, now[j].solver_at, solver_now, step);
        }
        leave(p, held(sum[i * S(across) + j]), now[j], solving, step);
      }
    }
    return;
  }
  if (S(lhs) == LHS_ATTENTION) barrier();  // its scores lie where the sums meet
  EACH(b, S(down) * S(across)) {
    const Held h = held(sum[b]);
    exchange[(warp() * S(down) * S(across) + b) * 64u + lane()] = h.upper;
    exchange[(warp() * S(down) * S(across) + b) * 64u + 32u + lane()] = h.lower;
  }
  barrier();
  for (uint turn = 0u; turn * WARPS < places * S(down) * S(across); ++turn) {
    const uint b = min(turn * WARPS + warp(), places * S(down) * S(across) - 1u);
    const Leaving p = LEAVING(turn);
    if (turn > 0u) ask(p, met, step);
    if (S(store) == STORE_SOLVE && (turn > 0u || S(lhs) == LHS_FRAGMENTS))
      solving = ask_solver(p, met.solver_at, solver[met.solver_at], step);
    Held h = Held(vec4(0.0), vec4(0.0));
    for (uint d = 0u; d < deep; ++d) {
      const uint at = ((d * places + b % places) * S(down) * S(across) + b / places) * 64u + lane();
      h.upper += exchange[at];
      h.lower += exchange[at + 32u];
    }
    leave(p, h, met, solving, step);
  }
}
