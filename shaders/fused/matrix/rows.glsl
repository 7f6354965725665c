// SPDX-License-Identifier: MIT
// A product that is added to rows, whose tile is 16 whole rows: subgroup w has columns w·across to (w + 1)·across − 1.
// No other workgroup has a part of these rows, so what the next op does to them first, their norm, is done at once and
// while they are in registers. For weights that a multiprocessor's cache holds: the host chooses.

#define PRODUCT_OF_ROWS

// Attention computed on the way lies behind its scores.
const uint LHS_FOURS = SHARERS > 1u ? S(heads) * KEYS * 64u : 0u;

/// Hands every subgroup the lhs that all of them computed.
void share_lhs() {
  EACH(u, S(lhs_share)) {
    const uint k = subgroup() * S(lhs_share) + u;
    if (k < S(depth_fragments)) exchange[LHS_FOURS + k * FRAGMENT + invocation()] = uintBitsToFloat(lhs_fragments[u]);
  }
  barrier();
}

void product_of_rows(uint fragment, uint step) {
  const uint depth = S(depth_fragments), first = subgroup() * S(across);
  if (S(lhs) == LHS_ATTENTION) {
    make_attention(fragment, step);
    share_lhs();
  }
  Epilogue epilogue[S(across)];
  EACH(j, S(across)) ask(Result(fragment, first + j, true), epilogue[j], step);
  Accumulator accumulators[S(across)];
  EACH(j, S(across)) accumulators[j] = no_accumulator();
  const uint lhs_at = P.a + fragment * depth * FRAGMENT + invocation();
  const uint rhs_at = P.weight + first * depth * FRAGMENT + invocation();
  [[dont_unroll]] for (uint done = 0u; done < depth; done += S(depth_step)) {
    EACH(u, S(depth_step)) {
      const uint k = done + u;
      uvec4 quad;
      if (S(lhs) == LHS_ATTENTION) quad = floatBitsToUint(exchange[LHS_FOURS + k * FRAGMENT + invocation()]);
      else quad = arena_quads[lhs_at + k * FRAGMENT];
      const Lhs lhs = lhs_of(quad);
      EACH(j, S(across))
        accumulators[j] = MULTIPLY_ADD(lhs, rhs_of(weight_quads[rhs_at + (j * depth + k) * FRAGMENT]), accumulators[j]);
    }
  }
  EACH(j, S(across)) {
    const Result p = Result(fragment, first + j, true);
    row_values[j] = added(p, fragment_of(accumulators[j]), epilogue[j]);
    store_rows(p, row_values[j]);
  }
  modulation_start = table_row(fragment / S(token_fragments), step);
  make_normed();
  EACH(j, S(across))
    arena_quads[P.normed + (fragment * S(column_fragments) + first + j) * FRAGMENT + invocation()] = lhs_fragments[j];
}
