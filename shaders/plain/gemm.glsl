// SPDX-License-Identifier: MIT
// Tiled matrix product: result[row, column] = Σ_k lhs[row, k] · weight[column, k], any size, sums in f32.
// A workgroup of 8×8 invocations makes a tile of 32×32; each invocation owns rows y+8i and columns x+8j.
// The including kernel declares the weight at WEIGHT_BINDING, push constants p (rows, inputs, outputs), and defines
//   Row row_of(uint row)                              what all values of a row need, row < p.rows
//   vec4 lhs4(Row row, uint k)                        four values from k on, k < p.inputs, 0 past the end
//   void store(uint row, uint column, float value)    row < p.rows, column < p.outputs
// then calls gemm() in uniform control flow. The weight's type: WEIGHT_F16, pairs of halves in 32-bit words; WEIGHT_Q8
// and WEIGHT_Q4, integers of 8 or 4 bits in the order of the elements, then a half for each 32 of them; else floats.

#extension GL_EXT_control_flow_attributes : require

/// Whether every row of the lhs, the weight and the modulation starts at a multiple of four elements.
layout(constant_id = 0) const bool ALIGNED = false;

layout(local_size_x = 8, local_size_y = 8) in;

layout(set = 0, binding = WEIGHT_BINDING, std430) readonly buffer WeightWords { uint weight_words[]; };
#ifdef WEIGHT_F16
layout(set = 0, binding = WEIGHT_BINDING, std430) readonly buffer WeightQuads { uvec2 weight_quads[]; };
float weight1(uint i) { return unpackHalf2x16(weight_words[i >> 1])[i & 1u]; }
vec4 weight_quad(uint i) {
  const uvec2 words = weight_quads[i >> 2];
  return vec4(unpackHalf2x16(words.x), unpackHalf2x16(words.y));
}
#elif defined(WEIGHT_Q8) || defined(WEIGHT_Q4)
#ifdef WEIGHT_Q8
const uint BITS = 8u;
#else
const uint BITS = 4u;
#endif
const uint IN_A_WORD = 32u / BITS;
float weight_scale(uint i) {
  const uint group = i / 32u;
  return unpackHalf2x16(weight_words[p.outputs * p.inputs / IN_A_WORD + group / 2u])[group & 1u];
}
float weight1(uint i) {
  const int word = int(weight_words[i / IN_A_WORD]);
  return weight_scale(i) * float(bitfieldExtract(word, int(i % IN_A_WORD * BITS), int(BITS)));
}
vec4 weight_quad(uint i) {
  const int word = int(weight_words[i / IN_A_WORD] >> (i % IN_A_WORD * BITS)), bits = int(BITS);
  return weight_scale(i) * vec4(bitfieldExtract(word, 0, bits), bitfieldExtract(word, bits, bits),
                                bitfieldExtract(word, 2 * bits, bits), bitfieldExtract(word, 3 * bits, bits));
}
#else
layout(set = 0, binding = WEIGHT_BINDING, std430) readonly buffer WeightQuads { vec4 weight_quads[]; };
float weight1(uint i) { return uintBitsToFloat(weight_words[i]); }
vec4 weight_quad(uint i) { return weight_quads[i >> 2]; }
#endif

/// Of a row of the lhs, as the including kernel understands it: found once, not at every k.
struct Row {
  uvec4 at;
  vec2 statistics;
};
Row row_of(uint row);
vec4 lhs4(Row row, uint k);
void store(uint row, uint column, float value);

/// Four values from k on of the column whose first is weight `start`.
vec4 weight4(uint start, uint k) {
  const uint i = start + k;
  if (ALIGNED) return weight_quad(i);
  const uint remaining = p.inputs - k;
  return vec4(weight1(i), remaining > 1u ? weight1(i + 1u) : 0.0, remaining > 2u ? weight1(i + 2u) : 0.0,
              remaining > 3u ? weight1(i + 3u) : 0.0);
}

const uint TILE = 32u;    // rows and columns of a tile
const uint DEPTH = 8u;    // vectors of four k in shared memory at a time
const uint PITCH = 9u;    // DEPTH + 1: neighbouring rows then start in different banks
const uint PER_INVOCATION = 4u;  // TILE·DEPTH/64 vectors that an invocation stages of each side

shared vec4 lhs_tile[TILE * PITCH];
shared vec4 weight_tile[TILE * PITCH];

void gemm() {
  const uint x = gl_LocalInvocationID.x, y = gl_LocalInvocationID.y;
  const uint row0 = gl_WorkGroupID.y * TILE, column0 = gl_WorkGroupID.x * TILE;
  // An invocation stages vector x of the lines y, y + 8 … of both sides. Beyond the edge the last line is read once
  // more; what comes of it is not stored.
  Row rows[PER_INVOCATION];
  uint columns[PER_INVOCATION];
  [[unroll]] for (uint s = 0u; s < PER_INVOCATION; ++s) {
    rows[s] = row_of(min(row0 + y + 8u * s, p.rows - 1u));
    columns[s] = min(column0 + y + 8u * s, p.outputs - 1u) * p.inputs;
  }
  float sum[4][4];
  [[unroll]] for (uint i = 0u; i < 4u; ++i)
    [[unroll]] for (uint j = 0u; j < 4u; ++j) sum[i][j] = 0.0;

  vec4 next_lhs[PER_INVOCATION], next_weight[PER_INVOCATION];
  for (uint k0 = 0u; k0 < p.inputs + 4u * DEPTH; k0 += 4u * DEPTH) {
    if (k0 > 0u) {
      barrier();
      [[unroll]] for (uint s = 0u; s < PER_INVOCATION; ++s) {
        const uint at = (y + 8u * s) * PITCH + x;
        lhs_tile[at] = next_lhs[s];
        weight_tile[at] = next_weight[s];
      }
      barrier();
    }
    // The loads of the next part are under way while this one is multiplied.
    const uint own_k = k0 + 4u * x;
    const bool inside = own_k < p.inputs;
    [[unroll]] for (uint s = 0u; s < PER_INVOCATION; ++s) {
      next_lhs[s] = vec4(0.0);
      next_weight[s] = vec4(0.0);
    }
    if (inside) {
      [[unroll]] for (uint s = 0u; s < PER_INVOCATION; ++s) {
        next_lhs[s] = lhs4(rows[s], own_k);
        next_weight[s] = weight4(columns[s], own_k);
      }
    }
    if (k0 > 0u) {
      uint lhs_at = y * PITCH, weight_at = x * PITCH;
      [[dont_unroll]] for (uint k = 0u; k < DEPTH; ++k) {
        vec4 l[4], w[4];
        [[unroll]] for (uint i = 0u; i < 4u; ++i) l[i] = lhs_tile[lhs_at + 8u * i * PITCH];
        [[unroll]] for (uint j = 0u; j < 4u; ++j) w[j] = weight_tile[weight_at + 8u * j * PITCH];
        // A product at a time, which compilers make one instruction each of; of dot() they make an addition more.
        [[unroll]] for (uint c = 0u; c < 4u; ++c)
          [[unroll]] for (uint i = 0u; i < 4u; ++i)
            [[unroll]] for (uint j = 0u; j < 4u; ++j) sum[i][j] += l[i][c] * w[j][c];
        ++lhs_at;
        ++weight_at;
      }
    }
  }

  [[unroll]] for (uint i = 0u; i < 4u; ++i)
    [[unroll]] for (uint j = 0u; j < 4u; ++j) {
      const uint row = row0 + y + 8u * i, column = column0 + x + 8u * j;
      if (row < p.rows && column < p.outputs) store(row, column, sum[i][j]);
    }
}
