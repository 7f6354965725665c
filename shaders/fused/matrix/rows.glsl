// SPDX-License-Identifier: MIT
// A product that is added to rows, whose tile is a block of whole rows: warp w makes columns w·across to (w + 1)·across − 1.
// No other workgroup has a part of these rows, so what the next op makes of them first, their norm, is made at once and
// while they are in registers. For weights that a multiprocessor's cache holds; see Staging::fills_rows().

#define LANES_ROWS

// Attention made on the way lies behind the scores that made it.
const uint LEFT_FOURS = SHARERS > 1u ? S(heads) * KEYS * 64u : 0u;

/// Hands every warp the left side that all have made together.
void share_made() {
  EACH(u, S(lhs_share)) {
    const uint k = warp() * S(lhs_share) + u;
    if (k < S(depth_fragments)) exchange[LEFT_FOURS + k * BLOCK + lane()] = uintBitsToFloat(made_blocks[u]);
  }
  barrier();
}

void product_of_rows(uint block, uint step) {
  const uint depth = S(depth_fragments), first = warp() * S(across);
  if (S(lhs) == LHS_ATTENTION) {
    make_attention(block);
    share_made();
  }
  Meeting met[S(across)];
  EACH(j, S(across)) ask(Leaving(block, first + j, true), met[j], step);
  SumBlock sum[S(across)];
  EACH(j, S(across)) sum[j] = no_sum();
  const uint left_at = P.a + block * depth * BLOCK + lane(), right_at = P.weight + first * depth * BLOCK + lane();
  [[dont_unroll]] for (uint done = 0u; done < depth; done += S(depth_step)) {
    EACH(u, S(depth_step)) {
      const uint k = done + u;
      uvec4 quad;
      if (S(lhs) == LHS_ATTENTION) quad = floatBitsToUint(exchange[LEFT_FOURS + k * BLOCK + lane()]);
      else quad = arena_quads[left_at + k * BLOCK];
      const LeftBlock left = left_of(quad);
      EACH(j, S(across))
        sum[j] = MULTIPLY_ADD(left, right_of(weight_quads[right_at + (j * depth + k) * BLOCK]), sum[j]);
    }
  }
  EACH(j, S(across)) {
    const Leaving p = Leaving(block, first + j, true);
    rows_held[j] = added(p, held(sum[j]), met[j]);
    store_rows(p, rows_held[j]);
  }
  modulation_start = table_row(block / S(token_fragments), step);
  make_normed();
  EACH(j, S(across)) arena_quads[P.normed + (block * S(column_fragments) + first + j) * BLOCK + lane()] = made_blocks[j];
}
