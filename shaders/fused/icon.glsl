// SPDX-License-Identifier: MIT
// An icon's place in the noise, as the request holds it; IconPoint of engine/network/noise.h.

struct Icon {
  uvec4 from;    // seed low, seed high, index low, index high
  uvec4 toward;  // the same of the other end; read only if both weights are non-zero
  vec4 weights;  // of from, of toward, unused, unused
};
