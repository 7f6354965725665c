// SPDX-License-Identifier: MIT
#version 450
// attention: y = softmax(q kᵀ/√D) v per head, no mask; q and k first RMS-normed over their head if NORM
//   qkv [R,T,3,N,D] f32   q_norm, k_norm [D] f32, read if NORM   y [R,T,N·D] f32, must not alias qkv
// CONTEXT: behind the tokens' keys and values come those of the row's condition, whose keys are normed already:
//   context [K,L,2,N,D] f32   modulation_row [S,R] u32, whose rest by K is the condition
// D = HEAD_DIM, any up to 256; any T and L. One workgroup of 64 per QUERIES rows of one head: groups (⌈T/QUERIES⌉, N, R).
// Keys and values pass through shared memory KEYS at a time, with a running maximum; all is read four values at a time.
// source: Vaswani et al. 2017 eq. 1; running softmax after Milakov & Gimelshein 2018 (arXiv 1805.02867) alg. 3
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#include "shaders/common/params.h"

layout(constant_id = 0) const uint HEAD_DIM = 64;
layout(constant_id = 1) const uint QUERIES = 8;
layout(constant_id = 2) const uint KEYS = 32;
layout(constant_id = 3) const bool NORM = false;
const uint INVOCATIONS = 64u;
const uint QUADS = (HEAD_DIM + 3u) / 4u;  // of a row of a head, the last padded with zeros
const uint PITCH = QUADS | 1u;            // odd: neighbouring rows then start in different banks
const uint KEY_QUADS = KEYS / 4u;         // quad i of a row of scores has keys i, i + KEY_QUADS …
const uint OWNED = (QUERIES * QUADS + INVOCATIONS - 1u) / INVOCATIONS;  // quads of the result of one invocation
const float LOWEST = -3.0e38;

layout(local_size_x = 64) in;
#ifdef CONTEXT
layout(push_constant) uniform Push { ContextAttention p; };
layout(set = 0, binding = 4, std430) readonly buffer Context { float context[]; };
layout(set = 0, binding = 4, std430) readonly buffer ContextQuads { vec4 context_quads[]; };
layout(set = 0, binding = 5, std430) readonly buffer ModulationRow { uint modulation_row[]; };
#else
layout(push_constant) uniform Push { Attention p; };
#endif
layout(set = 0, binding = 0, std430) readonly buffer Qkv { float qkv[]; };
layout(set = 0, binding = 0, std430) readonly buffer QkvQuads { vec4 qkv_quads[]; };
layout(set = 0, binding = 1, std430) readonly buffer QNorm { float q_norm[]; };
layout(set = 0, binding = 2, std430) readonly buffer KNorm { float k_norm[]; };
layout(set = 0, binding = 3, std430) writeonly buffer Y { float y_values[]; };

shared vec4 q_tile[QUERIES * PITCH];
shared vec4 kv_tile[KEYS * PITCH];
shared vec4 scores[QUERIES * KEY_QUADS];
shared float key_factor[KEYS];
shared float row_max[QUERIES];
shared float row_shrink[QUERIES];
shared float row_total[QUERIES];

/// Element 0 of q (part 0), k (1) or v (2) of a token.
uint at(uint token, uint part) {
  return (((gl_WorkGroupID.z * p.tokens + token) * 3u + part) * p.heads + gl_WorkGroupID.y) * HEAD_DIM;
}

#ifdef CONTEXT
uint all_keys() { return p.tokens + p.context_keys; }

/// Element 0 of k (part 1) or v (2) of a key of the context.
uint context_at(uint key, uint part) {
  const uint condition = modulation_row[p.step * gl_NumWorkGroups.z + gl_WorkGroupID.z] % p.conditions;
  return (((condition * p.context_keys + key) * 2u + part - 1u) * p.heads + gl_WorkGroupID.y) * HEAD_DIM;
}
#else
uint all_keys() { return p.tokens; }
#endif

/// Four values of a head's row that starts at element `start`, from 4·quad on; 0 beyond it.
#define FOUR(values, quads, start, quad)                                                          \
  (HEAD_DIM % 4u == 0u ? quads[(start) / 4u + (quad)]                                             \
                       : vec4(values[(start) + 4u * (quad)],                                      \
                              4u * (quad) + 1u < HEAD_DIM ? values[(start) + 4u * (quad) + 1u] : 0.0, \
                              4u * (quad) + 2u < HEAD_DIM ? values[(start) + 4u * (quad) + 2u] : 0.0, \
                              4u * (quad) + 3u < HEAD_DIM ? values[(start) + 4u * (quad) + 3u] : 0.0))

void stage_keys_or_values(uint key0, uint part) {
  for (uint e = gl_LocalInvocationIndex; e < KEYS * QUADS; e += INVOCATIONS) {
    const uint line = e / QUADS, quad = e % QUADS;
    vec4 value = vec4(0.0);
    if (key0 + line < p.tokens) value = FOUR(qkv, qkv_quads, at(key0 + line, part), quad);
#ifdef CONTEXT
    else if (key0 + line < all_keys())
      value = FOUR(context, context_quads, context_at(key0 + line - p.tokens, part), quad);
#endif
    kv_tile[line * PITCH + quad] = value;
  }
}

/// Of the weights of a norm.
vec4 weights_of(uint quad, bool of_keys) {
  vec4 w = vec4(0.0);
  [[unroll]] for (uint i = 0u; i < 4u; ++i)
    if (4u * quad + i < HEAD_DIM) w[i] = of_keys ? k_norm[4u * quad + i] : q_norm[4u * quad + i];
  return w;
}

/// q into shared memory; the norm of q, 1/√D, and the weight of the norm of k where all keys want it, are folded into
/// it.
void stage_queries(uint query0) {
  const uint invocation = gl_LocalInvocationIndex;
  for (uint e = invocation; e < QUERIES * QUADS; e += INVOCATIONS) {
    const uint line = e / QUADS, quad = e % QUADS;
    vec4 value = vec4(0.0);
    if (query0 + line < p.tokens) value = FOUR(qkv, qkv_quads, at(query0 + line, 0u), quad);
    q_tile[line * PITCH + quad] = value;
  }
  barrier();
  if (invocation < QUERIES) {
    float squares = 0.0;
    [[dont_unroll]] for (uint quad = 0u; quad < QUADS; ++quad) {
      const vec4 q = q_tile[invocation * PITCH + quad];
      squares += dot(q, q);
    }
    row_max[invocation] = LOWEST;
    row_total[invocation] = 0.0;
    row_shrink[invocation] = NORM ? p.scale / sqrt(squares / float(HEAD_DIM) + p.norm_eps) : p.scale;
  }
  barrier();
  for (uint e = invocation; e < QUERIES * QUADS; e += INVOCATIONS) {
    const uint line = e / QUADS, quad = e % QUADS;
    vec4 factor = vec4(row_shrink[line]);
    if (NORM) factor *= weights_of(quad, false);
#ifndef CONTEXT
    if (NORM) factor *= weights_of(quad, true);
#endif
    q_tile[line * PITCH + quad] *= factor;
  }
}

/// 1/√(mean square) of each key that is not normed yet.
void make_key_factors(uint key0) {
  const uint invocation = gl_LocalInvocationIndex;
  if (invocation >= KEYS) return;
  float factor = 1.0;
  if (NORM && key0 + invocation < p.tokens) {
    float squares = 0.0;
    [[dont_unroll]] for (uint quad = 0u; quad < QUADS; ++quad) {
      const vec4 k = kv_tile[invocation * PITCH + quad];
      squares += dot(k, k);
#ifdef CONTEXT
      kv_tile[invocation * PITCH + quad] = k * weights_of(quad, true);
#endif
    }
    factor = 1.0 / sqrt(squares / float(HEAD_DIM) + p.norm_eps);
  }
  key_factor[invocation] = factor;
}

/// A query's scores of four keys at a time.
void score_keys(uint key0) {
  for (uint s = gl_LocalInvocationIndex; s < QUERIES * KEY_QUADS; s += INVOCATIONS) {
    uint q_at = s / KEY_QUADS * PITCH, k_at = s % KEY_QUADS * PITCH;
    vec4 score = vec4(0.0);
    [[dont_unroll]] for (uint quad = 0u; quad < QUADS; ++quad) {
      const vec4 q = q_tile[q_at];
      vec4 k[4];
      [[unroll]] for (uint j = 0u; j < 4u; ++j) k[j] = kv_tile[k_at + j * KEY_QUADS * PITCH];
      [[unroll]] for (uint c = 0u; c < 4u; ++c)
        [[unroll]] for (uint j = 0u; j < 4u; ++j) score[j] += q[c] * k[j][c];
      ++q_at;
      ++k_at;
    }
    [[unroll]] for (uint j = 0u; j < 4u; ++j) {
      const uint key = s % KEY_QUADS + j * KEY_QUADS;
      score[j] = key0 + key < all_keys() ? score[j] * key_factor[key] : LOWEST;
    }
    scores[s] = score;
  }
}

/// The running maximum of each row, and by how much what was added up so far shrinks.
void raise_maxima() {
  const uint invocation = gl_LocalInvocationIndex;
  if (invocation >= QUERIES) return;
  const float before = row_max[invocation];
  vec4 highest = vec4(before);
  [[dont_unroll]] for (uint i = 0u; i < KEY_QUADS; ++i) highest = max(highest, scores[invocation * KEY_QUADS + i]);
  const float after = max(max(highest.x, highest.y), max(highest.z, highest.w));
  row_max[invocation] = after;
  row_shrink[invocation] = exp(before - after);
}

/// Scores to probabilities times their row's sum; those of keys beyond the last become 0.
void soften() {
  for (uint s = gl_LocalInvocationIndex; s < QUERIES * KEY_QUADS; s += INVOCATIONS)
    scores[s] = exp(scores[s] - row_max[s / KEY_QUADS]);
}

/// Row and quad of what an invocation owns of the result.
uvec2 owned(uint j) {
  const uint invocation = gl_LocalInvocationIndex;
  if (INVOCATIONS % QUADS == 0u) return uvec2(invocation / QUADS + j * (INVOCATIONS / QUADS), invocation % QUADS);
  const uint e = invocation + INVOCATIONS * j;
  return uvec2(e / QUADS, e % QUADS);
}

void main() {
  const uint invocation = gl_LocalInvocationIndex, query0 = gl_WorkGroupID.x * QUERIES;
  vec4 result[OWNED];
  [[unroll]] for (uint j = 0u; j < OWNED; ++j) result[j] = vec4(0.0);
  stage_queries(query0);

  for (uint key0 = 0u; key0 < all_keys(); key0 += KEYS) {
    barrier();
    stage_keys_or_values(key0, 1u);
    barrier();
    make_key_factors(key0);
    barrier();
    score_keys(key0);
    barrier();
    stage_keys_or_values(key0, 2u);
    raise_maxima();
    barrier();
    soften();
    barrier();
    if (invocation < QUERIES) {
      vec4 sum = vec4(0.0);
      [[dont_unroll]] for (uint i = 0u; i < KEY_QUADS; ++i) sum += scores[invocation * KEY_QUADS + i];
      row_total[invocation] = row_total[invocation] * row_shrink[invocation] + sum.x + sum.y + sum.z + sum.w;
    }
    // What is beyond the last row of queries reads that row once more.
    [[unroll]] for (uint j = 0u; j < OWNED; ++j) result[j] *= row_shrink[min(owned(j).x, QUERIES - 1u)];
    [[dont_unroll]] for (uint i = 0u; i < KEY_QUADS; ++i) {
      [[unroll]] for (uint j = 0u; j < OWNED; ++j) {
        const vec4 probability = scores[min(owned(j).x, QUERIES - 1u) * KEY_QUADS + i];
        [[unroll]] for (uint c = 0u; c < 4u; ++c)
          result[j] += probability[c] * kv_tile[(i + c * KEY_QUADS) * PITCH + owned(j).y];
      }
    }
  }
  barrier();

  [[unroll]] for (uint j = 0u; j < OWNED; ++j) {
    const uint line = owned(j).x, token = query0 + line;
    if (line >= QUERIES || token >= p.tokens) continue;
    const uint to = ((gl_WorkGroupID.z * p.tokens + token) * p.heads + gl_WorkGroupID.y) * HEAD_DIM + 4u * owned(j).y;
    [[unroll]] for (uint c = 0u; c < 4u; ++c)
      if (4u * owned(j).y + c < HEAD_DIM) y_values[to + c] = result[j][c] / row_total[line];
  }
}
