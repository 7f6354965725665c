// SPDX-License-Identifier: MIT
// Counter-based normals, the same bits as engine/network/noise.cpp; its header has the definition.
// The including kernel defines ICONS_BINDING and NORMALS_BINDING.
#extension GL_EXT_control_flow_attributes : require

/// An icon's place in the noise, as the request holds it; IconPoint of engine/network/noise.h.
struct Icon {
  uvec4 from;    // seed low, seed high, index low, index high
  uvec4 toward;  // the same of the other end; read only if both weights are non-zero
  vec4 weights;  // of from, of toward, unused, unused
};
layout(set = 0, binding = ICONS_BINDING, std430) readonly buffer Icons { Icon icons[]; };
layout(set = 0, binding = NORMALS_BINDING, std430) readonly buffer Normals { vec4 normal_pieces[]; };  // [31·16] c0…c3

uvec4 philox4x32(uvec4 c, uvec2 key) {
  for (uint turn = 0u; turn < 10u; ++turn) {
    uint high0, low0, high1, low1;
    umulExtended(0xD2511F53u, c.x, high0, low0);
    umulExtended(0xCD9E8D57u, c.z, high1, low1);
    c = uvec4(high1 ^ c.y ^ key.x, low1, high0 ^ c.w ^ key.y, low0);
    key += uvec2(0x9E3779B9u, 0xBB67AE85u);
  }
  return c;
}

float normal_from_bits(uint bits) {
  const uint magnitude = bits & 0x7fffffffu;
  const uint k = magnitude == 0x7fffffffu ? magnitude : magnitude + 1u;
  const uint octave = uint(findMSB(k));
  const uint mantissa = k << (31u - octave);
  const vec4 c = normal_pieces[octave * 16u + ((mantissa >> 27) & 15u)];
  // precise: a fused multiply-add would round once where the host rounds twice.
  precise float f = float((mantissa & 0x07ffffffu) >> 3) * 5.9604644775390625e-8;
  precise float z = ((c.w * f + c.z) * f + c.y) * f + c.x;
  return (bits & 0x80000000u) != 0u ? -z : z;
}

vec4 normals_of(uvec4 key, uint draw, uint quad) {
  const uvec4 words = philox4x32(uvec4(quad, draw, key.z, key.w), key.xy);
  return vec4(normal_from_bits(words.x), normal_from_bits(words.y), normal_from_bits(words.z),
              normal_from_bits(words.w));
}

/// Normals of elements 4·quad … 4·quad + 3. A loop, so that the generator, which is long, is in the code once.
vec4 normals(uint icon, uint draw, uint quad) {
  const Icon place = icons[icon];
  precise vec4 z = vec4(0.0);
  [[dont_unroll]] for (uint end = 0u; end < 2u; ++end) {
    const float weight = place.weights[end], other = place.weights[1u - end];
    // Of an icon that is no blend the first weight alone counts, whatever it is.
    if (end == 0u ? weight == 0.0 && other != 0.0 : weight == 0.0) continue;
    const vec4 normal = normals_of(end == 0u ? place.from : place.toward, draw, quad);
    if (other == 0.0) return normal;
    precise vec4 part = weight * normal;
    z = end == 0u ? part : z + part;
  }
  return z;
}
