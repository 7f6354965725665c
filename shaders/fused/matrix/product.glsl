// SPDX-License-Identifier: MIT
// Products on matrix hardware: a workgroup makes a tile of subgroups_down·down × subgroups_across·across fragments, a
// subgroup down × across of them over a share of the depth. Both sides go from the caches straight into registers,
// depth_step fragments of the depth a turn; the rhs is asked for before the stage before has ended. Accumulators that
// subgroups_deep subgroups share are added up in shared memory, the others stay where they are.

/// Line and column of a tile. By column, workgroups side by side want the same weights, which their multiprocessor's
/// cache then has; but what a line of tiles reads of the lhs is gone from the L2 cache when the next column wants it.
uvec2 place_of_tile(uint tile_at) {
  if (S(by_column) == 0u) return uvec2(tile_at / S(tiles_across), tile_at % S(tiles_across));
  const uint down = P.tiles / S(tiles_across);
  return uvec2(tile_at % down, tile_at / down);
}

void product(uint tile_at, uint step) {
  const uint depth = S(depth_fragments), deep = S(subgroups_deep), places = S(subgroups_down) * S(subgroups_across);
  const uint place = subgroup() % places, member = subgroup() / places, share = (depth + deep - 1u) / deep;
  const uvec2 tile = place_of_tile(tile_at);
  const uint first_row = tile.x * S(subgroups_down) * S(down);
  const uint row = first_row + place / S(subgroups_across) * S(down);
  const uint first_column = tile.y * S(subgroups_across) * S(across);
  const uint column = first_column + place % S(subgroups_across) * S(across);
  bool whole = depth % deep == 0u && share % S(depth_step) == 0u;
  const uint start = member * share, end = min(start + share, depth);

  // A fragment, or the last where a tile may hang over the edge.
#define EXACTLY(part, at, count) ((S(exact) & part) != 0u ? at : min(at, count - 1u))
#define RESULT(b) result_fragment(b, first_row, first_column, row, column)
  Epilogue epilogue;
  SolverRow solver_now;
  Solving solving;
  if (deep > 1u) epilogue = constants_of(RESULT(0u), step);
  if (deep > 1u && S(store) == STORE_SOLVE) solver_now = solver[epilogue.solver_at];
  uint lhs_at[S(down)], rhs_at[S(across)];
  EACH(i, S(down))
    lhs_at[i] = P.a + EXACTLY(EXACT_LHS, row + i, P.row_fragments) * depth * FRAGMENT + invocation();
  EACH(j, S(across))
    rhs_at[j] = P.weight + EXACTLY(EXACT_RHS, column + j, S(column_fragments)) * depth * FRAGMENT + invocation();

  Accumulator accumulators[S(down) * S(across)];
  EACH(i, S(down) * S(across)) accumulators[i] = no_accumulator();
  if (S(lhs) != LHS_FRAGMENTS) {
    EACH(u, S(lhs_share)) {
      const uint k = min(subgroup() * S(lhs_share) + u, depth - 1u);
      EACH(j, S(across)) rhs_fragments[u * S(across) + j] = weight_quads[rhs_at[j] + k * FRAGMENT];
    }
    if (S(lhs) == LHS_NORM) ask_normed(first_row, step);
    // While the rows are on their way.
    if (deep > 1u && S(store) == STORE_SOLVE) solving = ask_solver(RESULT(0u), epilogue.solver_at, solver_now, step);
    if (S(lhs) == LHS_NORM) make_normed();
    else if (S(lhs) == LHS_WINDOWS) make_windows(first_row, step, first_column == 0u);
    else make_attention(first_row, step);
    if (deep > 1u) ask_old(RESULT(0u), epilogue);
    EACH(u, S(lhs_share))
      EACH(j, S(across))
        accumulators[j] = MULTIPLY_ADD(lhs_of(subgroup() * S(lhs_share) + u < depth ? lhs_fragments[u] : uvec4(0u)),
                              rhs_of(rhs_fragments[u * S(across) + j]), accumulators[j]);
  } else {
    uvec4 l[S(depth_step) * S(down)], r[S(depth_step) * S(across)];
#define FETCH_RHS(u, k) \
  EACH(j, S(across))      \
    r[(u) * S(across) + j] = weight_quads[rhs_at[j] + (whole ? (k) : min(k, depth - 1u)) * FRAGMENT];
#define FETCH_LHS(u, k) \
  EACH(i, S(down))       \
    l[(u) * S(down) + i] = arena_quads[lhs_at[i] + (whole ? (k) : min(k, depth - 1u)) * FRAGMENT];
#define MULTIPLY(u, k)                                                                         \
  {                                                                                            \
    Lhs lhs[S(down)];                                                                   \
    Rhs rhs[S(across)];                                                               \
    EACH(i, S(down)) lhs[i] = lhs_of(whole || (k) < end ? l[(u) * S(down) + i] : uvec4(0u)); \
    EACH(j, S(across)) rhs[j] = rhs_of(r[(u) * S(across) + j]);                            \
    EACH(i, S(down))                                                                           \
      EACH(j, S(across))                                                                       \
        accumulators[i * S(across) + j] = MULTIPLY_ADD(lhs[i], rhs[j], accumulators[i * S(across) + j]);      \
  }
    uint done = 0u;
#ifdef PERSISTENT
    EACH(u, S(depth_step)) FETCH_RHS(u, start + u)
    wait_for_others();
    EACH(u, S(depth_step)) FETCH_LHS(u, start + u)
    if (deep > 1u) ask_old(RESULT(0u), epilogue);
    EACH(u, S(depth_step)) MULTIPLY(u, start + u)
    done = S(depth_step);
#else
    if (deep > 1u) ask_old(RESULT(0u), epilogue);
#endif
    // Without a branch or a value handed on to the next turn: the compiler waits for what it hands on.
    [[dont_unroll]] for (; done < share; done += S(depth_step)) {
      EACH(u, S(depth_step)) {
        FETCH_LHS(u, start + done + u)
        FETCH_RHS(u, start + done + u)
        MULTIPLY(u, start + done + u)
      }
    }
  }

  if (deep == 1u) {
    // The old values of the next line of fragments are on their way during this one's epilogue.
    Epilogue now[S(across)], next[S(across)];
    EACH(j, S(across)) ask(RESULT(j), next[j], step);
    // Fragments below one another are of one icon, if they do not straddle two.
    const bool one_icon = S(token_fragments) % S(down) == 0u;
    if (S(store) == STORE_SOLVE && one_icon) solver_now = solver[next[0].solver_at];
    EACH(i, S(down)) {
      EACH(j, S(across)) now[j] = next[j];
      if (i + 1u < S(down)) {
        EACH(j, S(across)) ask(RESULT((i + 1u) * S(across) + j), next[j], step);
      }
      EACH(j, S(across)) {
        const Result p = RESULT(i * S(across) + j);
        if (S(store) == STORE_SOLVE) {
          if (!one_icon) solver_now = solver[now[j].solver_at];
          solving = ask_solver(p, now[j].solver_at, solver_now, step);
        }
        apply_epilogue(p, fragment_of(accumulators[i * S(across) + j]), now[j], solving, step);
      }
    }
    return;
  }
  if (S(lhs) == LHS_ATTENTION) barrier();  // its scores lie where the accumulators go
  EACH(b, S(down) * S(across)) {
    const Fragment h = fragment_of(accumulators[b]);
    exchange[(subgroup() * S(down) * S(across) + b) * 64u + invocation()] = h.upper;
    exchange[(subgroup() * S(down) * S(across) + b) * 64u + 32u + invocation()] = h.lower;
  }
  barrier();
  for (uint turn = 0u; turn * SUBGROUPS < places * S(down) * S(across); ++turn) {
    const uint b = min(turn * SUBGROUPS + subgroup(), places * S(down) * S(across) - 1u);
    const Result p = RESULT(turn);
    if (turn > 0u) ask(p, epilogue, step);
    if (S(store) == STORE_SOLVE && (turn > 0u || S(lhs) == LHS_FRAGMENTS))
      solving = ask_solver(p, epilogue.solver_at, solver[epilogue.solver_at], step);
    Fragment h = Fragment(vec4(0.0), vec4(0.0));
    for (uint d = 0u; d < deep; ++d) {
      const uint at = ((d * places + b % places) * S(down) * S(across) + b / places) * 64u + invocation();
      h.upper += exchange[at];
      h.lower += exchange[at + 32u];
    }
    apply_epilogue(p, h, epilogue, solving, step);
  }
}
