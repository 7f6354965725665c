// SPDX-License-Identifier: MIT
#version 450
// attention: y = softmax(q kᵀ/√D) v per head, no mask; q and k first RMS-normed over their head if NORM
//   qkv [R,T,3,N,D] f32   q_norm, k_norm [D] f32, read if NORM   y [R,T,N·D] f32, must not alias qkv
// CONTEXT: behind the tokens' keys and values come those of the row's condition, whose keys are normed already:
//   context [K,L,2,N,D] f32   modulation_row [S,R] u32, whose rest by K is the condition
// D = HEAD_DIM, any up to 256; any T and L. One workgroup of 64 per QUERIES rows of one head: groups (⌈T/QUERIES⌉, N, R).
// Keys and values pass through shared memory KEYS at a time, with a running maximum.
// source: Vaswani et al. 2017 eq. 1; running softmax after Milakov & Gimelshein 2018 (arXiv 1805.02867) alg. 3
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#include "shaders/common/params.h"

layout(constant_id = 0) const uint HEAD_DIM = 64;
layout(constant_id = 1) const uint QUERIES = 8;
layout(constant_id = 2) const uint KEYS = 32;
layout(constant_id = 3) const bool NORM = false;
const uint INVOCATIONS = 64u;
const uint PITCH = HEAD_DIM + 1u;  // neighbouring rows then start in different banks
const uint OWNED = (QUERIES * HEAD_DIM + INVOCATIONS - 1u) / INVOCATIONS;  // results of one invocation
const float LOWEST = -3.0e38;

layout(local_size_x = 64) in;
#ifdef CONTEXT
layout(push_constant) uniform Push { ContextAttention p; };
layout(set = 0, binding = 4, std430) readonly buffer Context { float context[]; };
layout(set = 0, binding = 5, std430) readonly buffer ModulationRow { uint modulation_row[]; };
#else
layout(push_constant) uniform Push { Attention p; };
#endif
layout(set = 0, binding = 0, std430) readonly buffer Qkv { float qkv[]; };
layout(set = 0, binding = 1, std430) readonly buffer QNorm { float q_norm[]; };
layout(set = 0, binding = 2, std430) readonly buffer KNorm { float k_norm[]; };
layout(set = 0, binding = 3, std430) writeonly buffer Y { float y_values[]; };

shared float q_tile[QUERIES * PITCH];
shared float kv_tile[KEYS * PITCH];
shared float scores[QUERIES * KEYS];
shared float key_factor[KEYS];
shared float row_max[QUERIES];
shared float row_shrink[QUERIES];

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

void stage_keys_or_values(uint key0, uint part) {
  for (uint e = gl_LocalInvocationIndex; e < KEYS * HEAD_DIM; e += INVOCATIONS) {
    const uint line = e / HEAD_DIM, d = e % HEAD_DIM;
    float value = 0.0;
    if (key0 + line < p.tokens) value = qkv[at(key0 + line, part) + d];
#ifdef CONTEXT
    else if (key0 + line < all_keys()) value = context[context_at(key0 + line - p.tokens, part) + d];
#endif
    kv_tile[line * PITCH + d] = value;
  }
}

/// q into shared memory; the norm of q, 1/√D, and the weight of the norm of k where all keys want it, are folded into it.
void stage_queries(uint query0) {
  const uint invocation = gl_LocalInvocationIndex;
  for (uint e = invocation; e < QUERIES * HEAD_DIM; e += INVOCATIONS) {
    const uint line = e / HEAD_DIM, d = e % HEAD_DIM;
    float value = 0.0;
    if (query0 + line < p.tokens) value = qkv[at(query0 + line, 0u) + d];
    q_tile[line * PITCH + d] = value;
  }
  barrier();
  if (invocation < QUERIES) {
    float squares = 0.0;
    [[dont_unroll]] for (uint d = 0u; d < HEAD_DIM; ++d)
      squares += q_tile[invocation * PITCH + d] * q_tile[invocation * PITCH + d];
    row_max[invocation] = LOWEST;
    row_shrink[invocation] = NORM ? p.scale / sqrt(squares / float(HEAD_DIM) + p.norm_eps) : p.scale;
  }
  barrier();
  for (uint e = invocation; e < QUERIES * HEAD_DIM; e += INVOCATIONS) {
    const uint line = e / HEAD_DIM, d = e % HEAD_DIM;
    float factor = row_shrink[line];
#ifdef CONTEXT
    if (NORM) factor *= q_norm[d];
#else
    if (NORM) factor *= q_norm[d] * k_norm[d];
#endif
    q_tile[line * PITCH + d] *= factor;
  }
}

void main() {
  const uint invocation = gl_LocalInvocationIndex, query0 = gl_WorkGroupID.x * QUERIES;
  float result[OWNED], total[OWNED];
  [[unroll]] for (uint j = 0u; j < OWNED; ++j) {
    result[j] = 0.0;
    total[j] = 0.0;
  }
  stage_queries(query0);

  for (uint key0 = 0u; key0 < all_keys(); key0 += KEYS) {
    barrier();
    stage_keys_or_values(key0, 1u);
    barrier();
    if (invocation < KEYS) {
      float factor = 1.0;
      if (NORM && key0 + invocation < p.tokens) {
        float squares = 0.0;
        [[dont_unroll]] for (uint d = 0u; d < HEAD_DIM; ++d)
          squares += kv_tile[invocation * PITCH + d] * kv_tile[invocation * PITCH + d];
        factor = 1.0 / sqrt(squares / float(HEAD_DIM) + p.norm_eps);
#ifdef CONTEXT
        [[dont_unroll]] for (uint d = 0u; d < HEAD_DIM; ++d) kv_tile[invocation * PITCH + d] *= k_norm[d];
#endif
      }
      key_factor[invocation] = factor;
    }
    barrier();
    for (uint s = invocation; s < QUERIES * KEYS; s += INVOCATIONS) {
      const uint line = s / KEYS, key = s % KEYS;
      float score = 0.0;
      [[dont_unroll]] for (uint d = 0u; d < HEAD_DIM; ++d) score += q_tile[line * PITCH + d] * kv_tile[key * PITCH + d];
      scores[s] = key0 + key < all_keys() ? score * key_factor[key] : LOWEST;
    }
    barrier();
    stage_keys_or_values(key0, 2u);
    if (invocation < QUERIES) {
      const float before = row_max[invocation];
      float highest = before;
      [[dont_unroll]] for (uint key = 0u; key < KEYS; ++key) highest = max(highest, scores[invocation * KEYS + key]);
      row_max[invocation] = highest;
      row_shrink[invocation] = exp(before - highest);
    }
    barrier();
    for (uint s = invocation; s < QUERIES * KEYS; s += INVOCATIONS) {
      const bool real = key0 + s % KEYS < all_keys();
      scores[s] = real ? exp(scores[s] - row_max[s / KEYS]) : 0.0;
    }
    barrier();
    [[unroll]] for (uint j = 0u; j < OWNED; ++j) {
      const uint e = invocation + INVOCATIONS * j, line = e / HEAD_DIM, d = e % HEAD_DIM;
      if (e < QUERIES * HEAD_DIM) {
        float sum = 0.0, weight = 0.0;
        [[dont_unroll]] for (uint key = 0u; key < KEYS; ++key) {
          const float probability = scores[line * KEYS + key];
          sum += probability * kv_tile[key * PITCH + d];
          weight += probability;
        }
        result[j] = result[j] * row_shrink[line] + sum;
        total[j] = total[j] * row_shrink[line] + weight;
      }
    }
  }

  [[unroll]] for (uint j = 0u; j < OWNED; ++j) {
    const uint e = invocation + INVOCATIONS * j, token = query0 + e / HEAD_DIM, d = e % HEAD_DIM;
    if (e < QUERIES * HEAD_DIM && token < p.tokens) {
      y_values[((gl_WorkGroupID.z * p.tokens + token) * p.heads + gl_WorkGroupID.y) * HEAD_DIM + d] =
          result[j] / total[j];
    }
  }
}
