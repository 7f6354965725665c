// SPDX-License-Identifier: MIT
// Pairs of halves in a word.

/// v as halves; what lies beyond the largest half becomes that, since an infinite value makes all that follows NaN. What is
/// NaN stays so, which clamp() does not promise (on NVIDIA it gives a bound): a half's bits less one are the largest number
/// where they were infinity, and a NaN still where they were one.
uint packed_pair(vec2 v) {
  const uint pair = packHalf2x16(v);
  return pair - ((((pair & 0x7fff7fffu) + 0x04000400u) & 0x80008000u) >> 15);
}
uvec2 packed(vec4 v) { return uvec2(packed_pair(v.xy), packed_pair(v.zw)); }
vec4 unpacked(uvec2 v) { return vec4(unpackHalf2x16(v.x), unpackHalf2x16(v.y)); }
