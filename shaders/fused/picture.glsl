// SPDX-License-Identifier: MIT
// Stages on pictures and plain rows, an element, four or a pixel an invocation: noise, solver, bytes, and what fusion = none
// leaves of products. The maths are those of noise.comp, combine.comp and to_rgba.comp.

void solve_stage(uint at, uint step) {
  const uint elements = icon_elements(), quads = (elements + 3u) / 4u, icon = at / quads, quad = at % quads;
  if (icon >= P.batch) return;
  const uint row = solver_row[step * P.batch + icon];
  const SolverRow w = solver[row];
  vec4 z = vec4(0.0);
  if (w.c != 0.0) z = normals(icon, row + 1u, quad);
  for (uint j = 0u; j < 4u && quad * 4u + j < elements; ++j) {
    const uint i = icon * elements + quad * 4u + j, from = P.a * 4u;
    float e = 0.0;
    if (S(guided) == 0u) {
      e = arena_floats[from + i];
    } else {
      if (w.guidance != 0.0) e += w.guidance * arena_floats[from + i];
      if (w.guidance != 1.0) e += (1.0 - w.guidance) * arena_floats[from + P.batch * elements + i];
    }
    solved(w, i, e, z[j], step);
  }
}

void noise_stage(uint at, uint step) {
  const uint elements = icon_elements(), quads = (elements + 3u) / 4u, icon = at / quads, quad = at % quads;
  if (icon >= P.batch || solver_row[step * P.batch + icon] != 0u) return;
  const vec4 z = normals(icon, 0u, quad);
  for (uint j = 0u; j < 4u && quad * 4u + j < elements; ++j)
    arena_floats[P.image * 4u + icon * elements + quad * 4u + j] = z[j];
}

/// Whether some icon begins at this step: others need no noise to start from.
bool some_icon_begins(uint step) {
  for (uint icon = 0u; icon < P.batch; ++icon)
    if (solver_row[step * P.batch + icon] == 0u) return true;
  return false;
}

/// Whether a stage has nothing to do at a step: of the bytes only the last step's are read.
bool idle_stage(uint step, uint last_step) {
  return S(kind) == STAGE_RGBA ? step + 1u < last_step : S(kind) == STAGE_NOISE && !some_icon_begins(step);
}

float unit(uint icon, uint channel, uint pixel) {
  const uint pixels = S(height) * S(image_width);
  const float v = (arena_floats[P.image * 4u + (icon * S(channels) + channel) * pixels + pixel] + 1.0) * 0.5;
  return v > 0.0 ? min(v, 1.0) : 0.0;  // NaN becomes 0; clamp() may give anything
}

uint byte_of(float v) { return uint(floor(v * 255.0 + (S(round_down) != 0u ? 0.0 : 0.5))); }

void rgba_stage(uint i) {
  const uint pixels = S(height) * S(image_width), icon = i / pixels, pixel = i % pixels;
  if (icon >= P.batch) return;
  vec3 colour = vec3(unit(icon, 0u, pixel), unit(icon, 1u, pixel), unit(icon, 2u, pixel));
  uint alpha = 255u;
  if (S(premultiplied) != 0u) {
    const float a = unit(icon, 3u, pixel);
    alpha = byte_of(a);
    colour = alpha == 0u ? vec3(0.0) : min(colour, vec3(a)) / a;
  }
  rgba_words[i] = byte_of(colour.r) | byte_of(colour.g) << 8 | byte_of(colour.b) << 16 | alpha << 24;
}

/// act(v) in place, four values at a time.
void activate_stage(uint i) {
  if (i >= P.row_fragments * S(column_fragments) * 64u) return;
  vec4 v = arena_four(P.y, i);
  [[unroll]] for (uint j = 0u; j < 4u; ++j) v[j] = activated(v[j], S(activation));
  set_arena_four(P.y, i, v);
}

/// residual += gate · rows, four values at a time.
void add_stage(uint i, uint step) {
  if (i < P.row_fragments * S(column_fragments) * 64u) arena_floats4[P.y + i] += gate_of_four(i, step) * arena_floats4[P.a + i];
}

/// One tile of a stage of these kinds.
void run_pointwise(uint tile_at, uint step) {
  const uint kind = S(kind), at = tile_at * INVOCATIONS + thread();
  if (kind == STAGE_ACTIVATE) {
    activate_stage(at);
  } else if (kind == STAGE_ADD) {
    add_stage(at, step);
  } else if (kind == STAGE_NOISE) {
    noise_stage(at, step);
  } else if (kind == STAGE_SOLVE) {
    solve_stage(at, step);
  } else if (kind == STAGE_RGBA) {
    rgba_stage(at);
  }
}
