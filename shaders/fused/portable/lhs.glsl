// SPDX-License-Identifier: MIT
// The prologue of a product, or a stage of its own: the lhs is rows normed and modulated, or windows of the image.

/// The sum of `v` over teams of `team` neighbouring invocations, `team` a power of two. Call in uniform control flow.
float team_sum(float v, uint team) {
  barrier();
  sums[local_index()] = v;
  barrier();
  const uint first = local_index() / team * team;
  float total = 0.0;
  for (uint i = 0u; i < team; ++i) total += sums[first + i];
  return total;
}

/// Zero where column 4·four + i is not a real one.
vec4 within(vec4 v, uint four, uint width) {
  return vec4(4u * four < width ? v.x : 0.0, 4u * four + 1u < width ? v.y : 0.0, 4u * four + 2u < width ? v.z : 0.0,
              4u * four + 3u < width ? v.w : 0.0);
}

/// Values 8·e … 8·e + 7 of a row, which is `row` of the tile or row % 16 of fragment `fragment` of the arena.
void put_lhs(uint fragment, uint row, uint e, bool into_tile, bool real, vec4 low, vec4 high) {
  const uint depth = S(depth_fragments), eight = (row % 16u) * 2u + e % 2u;
  if (into_tile) {
    set_tile_eight((row / 16u * depth + e / 2u) * FRAGMENT, eight, low, high);
  } else if (real) {
    const uint at = P.y + (fragment * depth + e / 2u) * FRAGMENT;
    set_arena_four(at, 2u * eight, low);
    set_arena_four(at, 2u * eight + 1u, high);
  }
}

/// Scale and shift of four neighbouring columns.
struct Modulation {
  vec4 scale, shift;
};

Modulation modulation_of(uint four, uint row_start) {
  return Modulation(table_four(row_start, P.scale, 4u * four, S(width)),
                    table_four(row_start, P.shift, 4u * four, S(width)));
}

vec4 modulated(vec4 x, uint four, vec2 statistics, Modulation m) {
  return within((x - statistics.x) * statistics.y * (1.0 + m.scale) + m.shift, four, S(width));
}

// Where few eights are kept there are registers for their modulation too, asked for before the statistics are known.
const uint MODULATIONS = KEPT_EIGHTS <= 4u ? KEPT_EIGHTS * 2u : 1u;

/// Fragments of norm(x)·(1+scale)+shift for `fragments` fragments of rows, into the tile or to the arena. Two passes
/// over the values, so that a large mean costs no digits; KEPT_EIGHTS eights of each row are read once and kept, the
/// rest read again.
/// source: Ba, Kiros, Hinton 2016 (arXiv 1607.06450) eq. 4; Zhang & Sennrich 2019 (arXiv 1910.07467) eq. 4
void norm_rows(uint first_fragment, uint fragments, uint step, bool into_tile) {
  const uint team = INVOCATIONS / (16u * fragments), row = local_index() / team, member = local_index() % team;
  const uint eights = S(depth_fragments) * 2u, width = S(width);
  const uint fragment = min(first_fragment + row / 16u, P.row_fragments - 1u);
  const uint from = P.a + (fragment * 16u + row % 16u) * eights * 2u;
  const uint row_start = table_row(fragment / S(token_fragments), step);
  vec4 x[KEPT_EIGHTS * 2u];
  [[unroll]] for (uint i = 0u; i < KEPT_EIGHTS * 2u; ++i) {
    const uint e = member + i / 2u * team;
    x[i] = e < eights ? arena_floats4[from + 2u * e + i % 2u] : vec4(0.0);
  }
  Modulation early[MODULATIONS];
  if (MODULATIONS == KEPT_EIGHTS * 2u) {
    [[unroll]] for (uint i = 0u; i < MODULATIONS; ++i)
      early[i] = modulation_of(2u * (member + i / 2u * team) + i % 2u, row_start);
  }
  const uint beyond = 2u * (member + KEPT_EIGHTS * team);  // first four beyond those kept
  float sum = 0.0, mean = 0.0;
  if (S(centred) != 0u) {
    [[unroll]] for (uint i = 0u; i < KEPT_EIGHTS * 2u; ++i) sum += dot(x[i], vec4(1.0));
    for (uint f = beyond; f < 2u * eights; f += 2u * team)
      sum += dot(arena_floats4[from + f] + arena_floats4[from + f + 1u], vec4(1.0));
    mean = team_sum(sum, team) / float(width);
  }
  sum = 0.0;
  [[unroll]] for (uint i = 0u; i < KEPT_EIGHTS * 2u; ++i) {
    const vec4 d = within(x[i] - mean, 2u * (member + i / 2u * team) + i % 2u, width);
    sum += dot(d, d);
  }
  for (uint f = beyond; f < 2u * eights; f += 2u * team) {
    const vec4 low = within(arena_floats4[from + f] - mean, f, width);
    const vec4 high = within(arena_floats4[from + f + 1u] - mean, f + 1u, width);
    sum += dot(low, low) + dot(high, high);
  }
  const float variance = team_sum(sum, team) / float(S(divisor)), eps = uintBitsToFloat(S(eps_bits));
  const vec2 statistics = vec2(mean, 1.0 / (S(eps_outside) != 0u ? sqrt(variance) + eps : sqrt(variance + eps)));

  const bool real = fragment % S(token_fragments) * 16u + row % 16u < S(tokens);
  [[unroll]] for (uint i = 0u; i < KEPT_EIGHTS; ++i) {
    const uint e = member + i * team;
    Modulation m[2];
    [[unroll]] for (uint h = 0u; h < 2u; ++h) {
      if (MODULATIONS == KEPT_EIGHTS * 2u) m[h] = early[2u * i + h];
      else m[h] = modulation_of(2u * e + h, row_start);
    }
    const vec4 low = modulated(x[2u * i], 2u * e, statistics, m[0]);
    const vec4 high = modulated(x[2u * i + 1u], 2u * e + 1u, statistics, m[1]);
    if (e < eights) put_lhs(fragment, row, e, into_tile, real, low, high);
  }
  for (uint f = beyond; f < 2u * eights; f += 2u * team) {
    const vec4 low = modulated(arena_floats4[from + f], f, statistics, modulation_of(f, row_start));
    const vec4 high = modulated(arena_floats4[from + f + 1u], f + 1u, statistics, modulation_of(f + 1u, row_start));
    put_lhs(fragment, row, f / 2u, into_tile, real, low, high);
  }
}

vec4 window_four(uint batch_row, uint token, uint feature, bool noisy, bool keep) {
  const uint icon = batch_row % P.batch;
  if (S(aligned) != 0u) {
    if (feature >= S(width)) return vec4(0.0);
    const uint pixel = pixel_of(token, feature), at = P.image + (icon * icon_elements() + pixel) / 4u;
    if (!noisy) return arena_floats4[at];
    const vec4 z = normals(icon, 0u, pixel / 4u);
    if (keep && batch_row < P.batch) arena_floats4[at] = z;
    return z;
  }
  return vec4(window_value(icon, token, feature), window_value(icon, token, feature + 1u),
              window_value(icon, token, feature + 2u), window_value(icon, token, feature + 3u));
}

/// Fragments of windows of the image, into the tile or to the arena. Where noise is due it is made here, and kept in
/// the image by the workgroup that says so.
void window_rows(uint first_fragment, uint fragments, uint step, bool into_tile, bool keep) {
  const uint depth = S(depth_fragments);
  for (uint i = local_index(); i < fragments * depth * 32u; i += INVOCATIONS) {
    const uint e = i % (depth * 2u), row = i / (depth * 2u);
    const uint fragment = min(first_fragment + row / 16u, P.row_fragments - 1u);
    const uint batch_row = fragment / S(token_fragments);
    const uint token = fragment % S(token_fragments) * 16u + row % 16u;
    const bool noisy = S(noisy) != 0u && solver_row[step * P.batch + batch_row % P.batch] == 0u;
    vec4 low = vec4(0.0), high = vec4(0.0);
    if (token < S(tokens)) {
      low = window_four(batch_row, token, 8u * e, noisy, keep);
      high = window_four(batch_row, token, 8u * e + 4u, noisy, keep);
    }
    put_lhs(fragment, row, e, into_tile, token < S(tokens), low, high);
  }
}

// Stages of their own: one fragment of rows a tile.
void norm_stage(uint fragment, uint step) { norm_rows(fragment, 1u, step, false); }
void windows_stage(uint fragment, uint step) { window_rows(fragment, 1u, step, false, true); }
