// SPDX-License-Identifier: MIT
// Attention of 16 queries to all keys of their row of the batch, `head_group` heads at a time: softmax(q kᵀ/√D) v, no
// mask; q and k first RMS-normed over their head where qk_weight is given. Behind the keys of the picture come those of a
// prompt, see context.glsl. source: Vaswani et al. 2017 eq. 1
// Shared memory: tile from `scratch` on has q, then the probabilities; sums has scores, then results, and after them
// the factors of keys and queries, then two partial results an invocation.

/// Where the fragments of a head's keys (`nth` 0) or values (1) lie, for fragment `key` of those of a row.
uint key_at(uint fragment_row, uint key, uint nth, uint head, uint prompt) {
  const uint column = (nth * S(heads) + head) * S(head_fragments), wide = S(heads) * S(head_fragments);
  if (key >= S(token_fragments)) return P.image + ((prompt + key - S(token_fragments)) * wide * 2u + column) * FRAGMENT;
  const uint row = fragment_row / S(token_fragments) * S(token_fragments) + key;
  return P.a + (row * wide * 3u + wide + column) * FRAGMENT;
}

/// Factor that RMS norm gives a row of one head; 1 without norm.
float head_factor(uint fragment_row, uint row, uint first_fragment) {
  if (S(qk_weight) == NO_PLACE) return 1.0;
  float squares = 0.0;
  const uint start = P.a + (fragment_row * S(heads) * S(head_fragments) * 3u + first_fragment) * FRAGMENT;
  for (uint b = 0u; b < S(head_fragments); b += 4u) {
    vec4 v[16];
    [[unroll]] for (uint c = 0u; c < 16u; ++c) {
      const uint nth = b + c / 4u;
      v[c] = nth < S(head_fragments) ? arena_four(start + nth * FRAGMENT, in_fragment(row, c % 4u)) : vec4(0.0);
    }
    [[unroll]] for (uint c = 0u; c < 16u; ++c) squares += dot(v[c], v[c]);
  }
  return 1.0 / sqrt(squares / float(S(head_dim)) + uintBitsToFloat(S(eps_bits)));
}

/// q of a group of heads into the tile, times the weights of one norm or of both.
void stage_queries(uint fragment_row, uint head0, uint weight) {
  const uint group = S(head_group), head_fragments = S(head_fragments), pitch = S(heads) * head_fragments * 3u;
  for (uint i = local_index(); i < group * head_fragments * 32u; i += INVOCATIONS) {
    const uint fragment = i / 32u, eight = i % 32u;
    const uint at = P.a + (fragment_row * pitch + head0 * head_fragments + fragment) * FRAGMENT;
    vec4 low = arena_four(at, 2u * eight), high = arena_four(at, 2u * eight + 1u);
    if (S(qk_weight) != NO_PLACE) {
      const uint column = weight + fragment % head_fragments * 4u + eight % 2u * 2u;
      low *= weight_floats[column];
      high *= weight_floats[column + 1u];
    }
    set_tile_eight(S(scratch) + fragment * FRAGMENT, eight, low, high);
  }
}

/// Factors of keys and queries behind the scores; keys of the prompt are normed already.
void make_factors(uint fragment_row, uint head0, uint factors) {
  const uint group = S(head_group), head_fragments = S(head_fragments), keys = KEY_FRAGMENTS * 16u;
  const uint first_row = fragment_row / S(token_fragments) * S(token_fragments);
  for (uint i = local_index(); i < group * (keys + 16u); i += INVOCATIONS) {
    const bool is_key = i < group * keys;
    const uint at = is_key ? i : i - group * keys, head = is_key ? at / keys : at / 16u;
    const uint row = is_key ? at % keys : at % 16u;
    const uint fragment = (head0 + head + (is_key ? S(heads) : 0u)) * head_fragments;
    float factor = 1.0;
    if (!is_key || row < S(token_fragments) * 16u)
      factor = head_factor(is_key ? first_row + row / 16u : fragment_row, row % 16u, fragment);
    sums[factors + i] = is_key ? factor : factor * uintBitsToFloat(S(score_scale));
  }
}

/// Scores of a group with `count` fragments of keys from `first` on: sums fragment h·KEY_FRAGMENTS + j is [16 queries,
/// 16 keys].
void score_keys(uint fragment_row, uint head0, uint first, uint count, uint prompt) {
  const uint head_fragments = S(head_fragments);
  for (uint item = subgroup(); item < S(head_group) * count; item += SUBGROUPS) {
    const uint head = item / count, lhs = S(scratch) + head * head_fragments * FRAGMENT, key = first + item % count;
    const uint rhs = key_at(fragment_row, key, 0u, head0 + head, prompt);
    Accumulator accumulator = no_accumulator();
    for (uint b = 0u; b < head_fragments; b += 4u) {
      Lhs l;
      Rhs r[4];
      [[unroll]] for (uint u = 0u; u < 4u; ++u)
        if (b + u < head_fragments) LOAD_RHS(r[u], arena_quads, rhs + (b + u) * FRAGMENT, ROW_QUADS);
      [[unroll]] for (uint u = 0u; u < 4u; ++u) {
        if (b + u < head_fragments) {
          LOAD_LHS(l, tile, lhs + (b + u) * FRAGMENT, ROW_QUADS);
          accumulator = MULTIPLY_ADD(l, r[u], accumulator);
        }
      }
    }
    STORE_ACCUMULATOR(accumulator, sums, (head * KEY_FRAGMENTS + key) * 256u);
  }
}

/// Scores to probabilities times their row's sum, in the tile; the sums of each invocation's share into `parts`.
void soften(uint factors, uint parts) {
  const uint group = S(head_group), key_fragments = KEY_FRAGMENTS, keys = key_fragments * 16u;
  const uint team = INVOCATIONS / (16u * group), line = local_index() / team, member = local_index() % team;
  const uint head = line / 16u, row = line % 16u;
  const float query = sums[factors + group * keys + line];
  float highest = -3.0e38;
  for (uint t = member; t < keys; t += team) {
    if (!real_key(t)) continue;
    const uint at = (head * key_fragments + t / 16u) * 256u + row * 16u + t % 16u;
    const float score = sums[at] * query * sums[factors + head * keys + t];
    highest = max(highest, score);
  }
  sums[parts + local_index()] = highest;
  barrier();
  for (uint i = 0u; i < team; ++i) highest = max(highest, sums[parts + line * team + i]);
  float total = 0.0;
  for (uint e = member; e < keys / 8u; e += team) {
    const uint at = (head * key_fragments + e / 2u) * 256u + row * 16u + e % 2u * 8u;
    vec4 p[2];
    [[unroll]] for (uint i = 0u; i < 8u; ++i) {
      const uint t = 8u * e + i;
      const float score = sums[at + i] * query * sums[factors + head * keys + t];
      p[i / 4u][i % 4u] = real_key(t) ? exp(score - highest) : 0.0;
    }
    total += dot(p[0] + p[1], vec4(1.0));
    set_tile_eight(S(scratch) + (head * key_fragments + e / 2u) * FRAGMENT, row * 2u + e % 2u, p[0], p[1]);
  }
  sums[parts + INVOCATIONS + local_index()] = total;
}

/// Probabilities times values: sums fragment h·head_fragments + d is [16 queries, 16 values].
void weigh_values(uint fragment_row, uint head0, uint prompt) {
  const uint head_fragments = S(head_fragments), key_fragments = KEY_FRAGMENTS;
  for (uint item = subgroup(); item < S(head_group) * head_fragments; item += SUBGROUPS) {
    const uint head = item / head_fragments, lhs = S(scratch) + head * key_fragments * FRAGMENT;
    Accumulator accumulator = no_accumulator();
    for (uint j = 0u; j < key_fragments; ++j) {
      const uint rhs = key_at(fragment_row, j, 1u, head0 + head, prompt) + item % head_fragments * FRAGMENT;
      [[unroll]] for (uint k4 = 0u; k4 < 4u; ++k4) {
        const vec4 low = tile_four(lhs + j * FRAGMENT, in_fragment(own_row(), k4));
        const vec4 high = tile_four(lhs + j * FRAGMENT, in_fragment(own_row() + 8u, k4));
        [[unroll]] for (uint k = 0u; k < 4u; ++k) {
          const vec4 v = arena_four(rhs, in_fragment(4u * k4 + k, own_column()));
          accumulator.low += low[k] * v;
          accumulator.high += high[k] * v;
        }
      }
    }
    STORE_ACCUMULATOR(accumulator, sums, item * 256u);
  }
}

/// Heads head0 … head0 + head_group − 1 of the 16 queries in fragment `fragment_row`, into the tile or to the arena as
/// fragments.
void attend(uint fragment_row, uint head0, uint step, bool into_tile) {
  const uint group = S(head_group), head_fragments = S(head_fragments), key_fragments = KEY_FRAGMENTS;
  const uint prompt = prompt_start(fragment_row / S(token_fragments), step);
  const bool twice = PROMPT_KEYS > 0u && S(qk_weight) != NO_PLACE;  // queries of two kinds, one after the other
  const uint factors = max(group * max(key_fragments, head_fragments), 1u) * 256u;
  const uint parts = factors + group * (key_fragments + 1u) * 16u;
  stage_queries(fragment_row, head0, P.qk_weight);
  make_factors(fragment_row, head0, factors);
  barrier();
  score_keys(fragment_row, head0, 0u, twice ? S(token_fragments) : key_fragments, prompt);
  barrier();
  if (twice) {
    stage_queries(fragment_row, head0, P.history);
    barrier();
    score_keys(fragment_row, head0, S(token_fragments), PROMPT_FRAGMENTS, prompt);
    barrier();
  }
  soften(factors, parts);
  barrier();
  weigh_values(fragment_row, head0, prompt);
  barrier();
  const uint team = INVOCATIONS / (16u * group), pitch = S(heads) * head_fragments;
  for (uint i = local_index(); i < group * head_fragments * 32u; i += INVOCATIONS) {
    const uint fragment = i / 32u, eight = i % 32u, row = eight / 2u;
    const uint line = fragment / head_fragments * 16u + row, at = fragment * 256u + eight * 8u;
    float total = 0.0;
    for (uint j = 0u; j < team; ++j) total += sums[parts + INVOCATIONS + line * team + j];
    const vec4 low = vec4(sums[at], sums[at + 1u], sums[at + 2u], sums[at + 3u]) / total;
    const vec4 high = vec4(sums[at + 4u], sums[at + 5u], sums[at + 6u], sums[at + 7u]) / total;
    if (into_tile) {
      set_tile_eight((head0 * head_fragments + fragment) * FRAGMENT, eight, low, high);
    } else if (fragment_row % S(token_fragments) * 16u + row < S(tokens)) {
      const uint to = P.y + (fragment_row * pitch + head0 * head_fragments + fragment) * FRAGMENT;
      set_arena_four(to, 2u * eight, low);
      set_arena_four(to, 2u * eight + 1u, high);
    }
  }
}

/// A stage of its own: a group of heads of a fragment of rows a tile.
void attention_stage(uint tile_at, uint step) {
  const uint groups = S(heads) / S(head_group);
  attend(tile_at / groups, tile_at % groups * S(head_group), step, false);
}
