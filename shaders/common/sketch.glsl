// SPDX-License-Identifier: MIT
// What icons begin with and are held to: their sketches, mixed with noise; the bits are those of engine/network/sketch.h.
// After noise.glsl; the including kernel defines SOLVER_BINDING, PICTURE(at), element `at` of the icons, and SKETCH(at),
// word `at` of the sketches: [B,H·W] RGBA, red in the low byte, then [B,H·W] bytes of masks.
#include "shaders/common/solver_rows.glsl"

/// Channel of a pixel in −1…1, colour · alpha if premultiplied.
float sketch_value(uint word, uint channel, uint premultiplied) {
  const uint weight = premultiplied != 0u && channel < 3u ? word >> 24 : 255u;
  precise float v = float((word >> 8u * channel & 255u) * weight) * (2.0 / 65025.0) - 1.0;
  return v;
}

/// A term of weight 0 is not there.
float mix_sketch(float value, float z, float alpha, float sigma) {
  precise float noise = sigma * z;
  if (alpha == 0.0) return noise;
  precise float picture = alpha * value;
  precise float sum = picture + noise;
  return sigma == 0.0 ? picture : sum;
}

/// Four elements of an icon, number i of all in `batch` icons of `elements`: where the step is the icon's first.
void begin_four(uint i, uint batch, uint elements, uint pixels, uint premultiplied, uint step) {
  const uint quads = (elements + 3u) / 4u, icon = i / quads, quad = i % quads;
  if (icon >= batch) return;
  const uint row = solver_row[step * batch + icon];
  const SolverRow w = solver[row];
  if (row != w.first) return;
  const vec4 z = normals(icon, 0u, quad);
  for (uint j = 0u; j < 4u && quad * 4u + j < elements; ++j) {
    const uint element = quad * 4u + j, word = SKETCH(icon * pixels + element % pixels);
    PICTURE(icon * elements + element) =
        mix_sketch(sketch_value(word, element / pixels, premultiplied), z[j], w.before_alpha, w.before_sigma);
  }
}

/// A function of values: `precise` follows what it is computed of, and the arena is computed of everything (glslc then
/// needs more than 10 GB).
float blend_by_mask(uint share, float painted, float kept) {
  precise float weight = float(share) * (1.0 / 255.0);
  precise float blend = weight * painted + (1.0 - weight) * kept;
  return blend;
}

/// The same four: what the mask does not leave to the network.
void hold_four(uint i, uint batch, uint elements, uint pixels, uint premultiplied, uint step) {
  const uint quads = (elements + 3u) / 4u, icon = i / quads, quad = i % quads;
  if (icon >= batch) return;
  uvec4 share = uvec4(255u);
  for (uint j = 0u; j < 4u && quad * 4u + j < elements; ++j) {
    const uint at = icon * pixels + (quad * 4u + j) % pixels;
    share[j] = SKETCH(batch * pixels + at / 4u) >> 8u * (at % 4u) & 255u;
  }
  if (share == uvec4(255u)) return;
  const SolverRow w = solver[solver_row[step * batch + icon]];
  vec4 z = vec4(0.0);
  if (w.after_sigma != 0.0) z = normals(icon, 0u, quad);
  for (uint j = 0u; j < 4u && quad * 4u + j < elements; ++j) {
    if (share[j] == 255u) continue;
    const uint element = quad * 4u + j, at = icon * elements + element;
    const float value = sketch_value(SKETCH(icon * pixels + element % pixels), element / pixels, premultiplied);
    const float kept = mix_sketch(value, z[j], w.after_alpha, w.after_sigma);
    if (share[j] == 0u) {
      PICTURE(at) = kept;
      continue;
    }
    PICTURE(at) = blend_by_mask(share[j], PICTURE(at), kept);
  }
}
