// SPDX-License-Identifier: MIT
// Attention of 16 queries to all keys of their row of the batch, one head: softmax(q kᵀ/√D) v, no mask; q and k first
// RMS-normed over their head where qk_weight is given. v lies with rows and columns of its fragments swapped. Behind the
// keys of the picture come those of a prompt, see context.glsl.
// S(subgroups_deep) subgroups share a head: alone a subgroup keeps its scores in registers, together each makes those
// of some keys and all read them. source: Vaswani et al. 2017 eq. 1

/// exp(score − highest) of KEYS fragments of keys as lhs, and one over their sum in the upper and the lower row.
uvec4 likely[KEYS];
vec2 likely_share;
// A subgroup that has a head to itself asks for all keys and values at once, where registers hold them.
const uint SHARERS = S(kind) == STAGE_ATTENTION ? S(subgroups_deep) : HEAD >= S(lhs_share) ? HEAD / S(lhs_share) : 1u;
const uint KEYS_KEPT = SHARERS == 1u ? (S(token_fragments) * HEAD <= 16u ? S(token_fragments) : 1u) : 1u;
const uint KEY_TURNS = (KEYS + SHARERS - 1u) / SHARERS;
const uint PART_TURNS = (HEAD + SHARERS - 1u) / SHARERS;
const uint PARTS_KEPT = S(kind) == STAGE_PRODUCT ? (S(lhs_share) * KEYS <= 16u ? S(lhs_share) : 1u) : 1u;
const bool TWO_QUERIES = PROMPT_KEYS > 0u && S(qk_weight) != NO_PLACE;
uvec4 queries[HEAD];
uvec4 prompt_queries[TWO_QUERIES ? HEAD : 1u];
uvec4 keys[KEYS_KEPT * HEAD];
vec4 qk_weights[HEAD];  // q_norm · k_norm
vec4 query_weights[TWO_QUERIES ? HEAD : 1u];
uint prompt_at;  // first fragment of rows of the prompt
Fragment scores[KEYS];
uvec4 values[PARTS_KEPT * KEYS];

/// Where fragment `column` of columns of the q, k, v of fragment `fragment` of rows lies, in quads.
uint qkv_at(uint fragment, uint column) {
  return P.a + (fragment * S(heads) * HEAD * 3u + column) * FRAGMENT + invocation();
}

/// What RMS norm multiplies a row by whose squares add up to `squares` over four invocations; 1 without norm.
vec2 norm_factors(vec2 squares) {
  if (S(qk_weight) == NO_PLACE) return vec2(1.0);
  const vec2 sums = vec2(row_sum(squares.x), row_sum(squares.y));
  return inversesqrt(sums * (1.0 / float(S(head_dim))) + uintBitsToFloat(S(eps_bits)));
}

uint first_key_of(uint fragment) { return fragment / S(token_fragments) * S(token_fragments); }

/// Where fragment `part` of a head's keys (`nth` 0) or values (1) lies, for fragment `key` of those of a row.
uint key_at(uint fragment, uint key, uint nth, uint head, uint part) {
  const uint column = (nth * S(heads) + head) * HEAD + part;
  if (PROMPT_KEYS == 0u || key < S(token_fragments))
    return qkv_at(first_key_of(fragment) + key, S(heads) * HEAD + column);
  const uint row = prompt_at + key - S(token_fragments);
  return P.image + (row * S(heads) * HEAD * 2u + column) * FRAGMENT + invocation();
}

/// Asks for fragment `key` of keys, the `nth`-th of those that a subgroup keeps.
void ask_keys(uint fragment, uint key, uint head, uint nth) {
  [[unroll]] for (uint b = 0u; b < HEAD; ++b) keys[nth * HEAD + b] = arena_quads[key_at(fragment, key, 0u, head, b)];
}

/// Scores of this subgroup's queries with fragment `key` of keys, the `nth`-th; `factors`: of the queries.
Fragment score(vec2 factors, uint key, uint nth) {
  const bool of_prompt = TWO_QUERIES && key >= S(token_fragments);
  Accumulator sum = no_accumulator();
  vec2 squares = vec2(0.0);
  [[unroll]] for (uint b = 0u; b < HEAD; ++b) {
    const uvec4 k = keys[nth * HEAD + b];
    if (S(qk_weight) != NO_PLACE) squares += squares_of(k);
    sum = MULTIPLY_ADD(lhs_of(of_prompt ? prompt_queries[TWO_QUERIES ? b : 0u] : queries[b]), rhs_of(as_rhs(k)), sum);
  }
  Fragment h = fragment_of(sum);
  h.upper *= factors.x;
  h.lower *= factors.y;
  if (S(qk_weight) != NO_PLACE) {
    // Keys are rows of their own fragments and columns of the scores.
    const vec2 of_row = norm_factors(squares);
    const uint from = own_column() * 4u;
    const vec4 of_column = vec4(of_invocation(of_row.x, from), of_invocation(of_row.x, from + 4u),
                                of_invocation(of_row.y, from), of_invocation(of_row.y, from + 4u));
    h.upper *= of_prompt ? vec4(1.0) : of_column;
    h.lower *= of_prompt ? vec4(1.0) : of_column;
  }
  [[unroll]] for (uint i = 0u; i < 4u; ++i) {
    if (KEYS_END_WITHIN && !real_key(column_of(key, i))) h.upper[i] = h.lower[i] = -3.0e38;
  }
  return h;
}

void soften() {
  vec2 most = vec2(-3.0e38), sum = vec2(0.0);
  [[unroll]] for (uint j = 0u; j < KEYS; ++j) {
    [[unroll]] for (uint i = 0u; i < 4u; ++i) most = max(most, vec2(scores[j].upper[i], scores[j].lower[i]));
  }
  most = vec2(row_most(most.x), row_most(most.y));
  [[unroll]] for (uint j = 0u; j < KEYS; ++j) {
    vec4 upper = exp(max(scores[j].upper - most.x, -80.0)), lower = exp(max(scores[j].lower - most.y, -80.0));
    if (KEYS_END_WITHIN) {
      upper *= vec4(greaterThan(scores[j].upper, vec4(-2.9e38)));
      lower *= vec4(greaterThan(scores[j].lower, vec4(-2.9e38)));
    }
    sum += vec2(dot(upper, vec4(1.0)), dot(lower, vec4(1.0)));
    likely[j] = quad_of(Fragment(upper, lower));
  }
  likely_share = 1.0 / vec2(row_sum(sum.x), row_sum(sum.y));
}

/// Asks for what of the weights attention needs; the stage before need not have ended.
void ask_qk_weights() {
  if (S(qk_weight) == NO_PLACE) return;
  [[unroll]] for (uint b = 0u; b < HEAD; ++b) {
    const uint at = P.qk_weight * 2u + column_of(b, 0u) / 2u;
    qk_weights[b] = vec4(weight_floats2[at], weight_floats2[at + 4u]);
    const uint alone = P.history * 2u + column_of(b, 0u) / 2u;
    if (TWO_QUERIES) query_weights[TWO_QUERIES ? b : 0u] = vec4(weight_floats2[alone], weight_floats2[alone + 4u]);
  }
}

/// Asks for what the scores need, as far as registers hold it.
void ask_queries_and_keys(uint fragment, uint head, uint member, uint sharers) {
  [[unroll]] for (uint b = 0u; b < HEAD; ++b) queries[b] = arena_quads[qkv_at(fragment, head * HEAD + b)];
  [[unroll]] for (uint j = 0u; j < KEYS_KEPT; ++j)
    ask_keys(fragment, sharers == 1u ? j : min(member, KEYS - 1u), head, j);
}

/// Fills likely[] for a fragment of rows and a head, once queries and keys are asked for. This subgroup is number
/// `member` of `sharers`, who hand each other scores at `place`.
void attend(uint fragment, uint head, uint member, uint sharers, uint place) {
  vec2 squares = vec2(0.0);
  if (S(qk_weight) != NO_PLACE) {
    [[unroll]] for (uint b = 0u; b < HEAD; ++b) {
      squares += squares_of(queries[b]);
      if (TWO_QUERIES) {
        const vec4 weights = query_weights[TWO_QUERIES ? b : 0u];
        prompt_queries[TWO_QUERIES ? b : 0u] =
            quad_of(Fragment(upper_of(queries[b]) * weights, lower_of(queries[b]) * weights));
      }
      queries[b] = quad_of(Fragment(upper_of(queries[b]) * qk_weights[b], lower_of(queries[b]) * qk_weights[b]));
    }
  }
  const vec2 factors = norm_factors(squares) * uintBitsToFloat(S(score_scale));
  if (sharers == 1u) {
    [[unroll]] for (uint j = 0u; j < KEYS; ++j) {
      scores[j] = score(factors, j, j % KEYS_KEPT);
      if (j + KEYS_KEPT < KEYS) ask_keys(fragment, j + KEYS_KEPT, head, j % KEYS_KEPT);
    }
  } else {
    EACH(turn, KEY_TURNS) {
      const uint j = turn * sharers + member;
      if (turn > 0u) ask_keys(fragment, min(j, KEYS - 1u), head, 0u);
      const Fragment h = score(factors, min(j, KEYS - 1u), 0u);
      if (j >= KEYS) continue;
      exchange[(place * KEYS + j) * 64u + invocation()] = h.upper;
      exchange[(place * KEYS + j) * 64u + 32u + invocation()] = h.lower;
    }
    barrier();
    [[unroll]] for (uint j = 0u; j < KEYS; ++j) {
      const uint at = (place * KEYS + j) * 64u + invocation();
      scores[j] = Fragment(exchange[at], exchange[at + 32u]);
    }
  }
  soften();
}

/// Asks for fragment `part` of the head's values, the `nth`-th of those that a subgroup keeps; they are needed only
/// once the scores are known.
void ask_values(uint fragment, uint head, uint part, uint nth) {
  [[unroll]] for (uint j = 0u; j < KEYS; ++j)
    values[nth * KEYS + j] = arena_quads[key_at(fragment, j, 1u, head, part)];
}

/// The fragment of the head's result whose values are the `nth`-th.
uvec4 weighed(uint nth) {
  Accumulator sum = no_accumulator();
  [[unroll]] for (uint j = 0u; j < KEYS; ++j)
    sum = MULTIPLY_ADD(lhs_of(likely[j]), rhs_of(as_rhs(values[nth * KEYS + j])), sum);
  const Fragment h = fragment_of(sum);
  return quad_of(Fragment(h.upper * likely_share.x, h.lower * likely_share.y));
}

/// The lhs of a product: S(lhs_share) fragments of one head a subgroup.
void make_attention(uint fragment, uint step) {
  ask_qk_weights();
  prompt_at = prompt_start(fragment / S(token_fragments), step);
  wait_for_others();
  // Subgroups beyond the last head repeat it, in vain.
  const uint sharers = HEAD / S(lhs_share), member = subgroup() % sharers;
  const uint head = min(subgroup() / sharers, S(heads) - 1u);
  ask_queries_and_keys(fragment, head, member, sharers);
  EACH(u, PARTS_KEPT) ask_values(fragment, head, member * S(lhs_share) + u, u);
  attend(fragment, head, member, sharers, head);
  EACH(u, S(lhs_share)) {
    if (PARTS_KEPT == 1u && u > 0u) ask_values(fragment, head, member * S(lhs_share) + u, 0u);
    lhs_fragments[u] = weighed(PARTS_KEPT == 1u ? 0u : u);
  }
}

/// A stage of its own: SUBGROUPS / subgroups_deep heads of fragments of rows, those of a head and a row of the batch
/// together.
void attention_stage(uint tile_at, uint step) {
  ask_qk_weights();
  const uint sharers = S(subgroups_deep), member = subgroup() % sharers;
  const uint heads = S(heads), token_fragments = S(token_fragments);
  const uint unit = tile_at * (SUBGROUPS / sharers) + subgroup() / sharers, count = P.row_fragments * heads;
  const uint mine = min(unit, count - 1u), head = mine / token_fragments % heads;
  const uint fragment = mine / (token_fragments * heads) * token_fragments + mine % token_fragments;
  prompt_at = prompt_start(fragment / token_fragments, step);
  wait_for_others();
  ask_queries_and_keys(fragment, head, member, sharers);
  ask_values(fragment, head, min(member, HEAD - 1u), 0u);
  attend(fragment, head, member, sharers, subgroup() / sharers);
  EACH(turn, PART_TURNS) {
    const uint part = turn * sharers + member;
    if (turn > 0u) ask_values(fragment, head, min(part, HEAD - 1u), 0u);
    const uvec4 quad = weighed(0u);
    if (unit < count && part < HEAD)
      arena_quads[P.y + ((fragment * heads + head) * HEAD + part) * FRAGMENT + invocation()] = quad;
  }
}
