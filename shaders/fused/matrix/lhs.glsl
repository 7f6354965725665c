// SPDX-License-Identifier: MIT
// The prologue of a product, or a stage of its own: the lhs is rows normed and modulated, or windows of the image. All
// subgroups work on one fragment of 16 rows; each makes the fragments of the depth that it will multiply, S(lhs_share)
// of them from fragment subgroup()·S(lhs_share) on, in registers. Beyond the depth they are 0.

// Fragments of a row that a subgroup norms, and all do together.
const uint NORMED = S(normed) == NO_PLACE ? S(lhs_share) : S(across);
const uint NORMED_ALL = S(normed) == NO_PLACE ? S(depth_fragments) : S(column_fragments);
const uint LHS_ROOM = NORMED > S(lhs_share) ? NORMED : S(lhs_share);
// Where more workgroups side by side hide more than early loads do.
const bool MODULATES_LATE = S(kind) == STAGE_NORM || S(normed) != NO_PLACE;

// Not handed from function to function: arrays as long as a specialization constant are copied through memory then.
uvec4 lhs_fragments[LHS_ROOM];
Fragment row_values[NORMED];
vec4 scales[NORMED];
vec4 shifts[NORMED];
uint modulation_start;  // of the table's row
uvec4 rhs_fragments[S(lhs_share) * S(across)];  // what they will be multiplied by

/// Whether the subgroups share the columns without padding.
bool even_columns() { return S(width) == SUBGROUPS * NORMED * 16u; }
vec4 real_columns(vec4 v, uint fragment) { return even_columns() ? v : within(v, fragment, S(width)); }

/// Asks for this subgroup's share of a fragment of rows.
void ask_rows(uint fragment) {
  const uint first = subgroup() * NORMED, depth = NORMED_ALL;
  const uint at = P.a + (fragment * depth + first) * 64u + invocation();
  EACH(u, NORMED) {
    row_values[u] = Fragment(vec4(0.0), vec4(0.0));
    if (even_columns() || first + u < depth)
      row_values[u] = Fragment(arena_floats4[at + u * 64u], arena_floats4[at + u * 64u + 32u]);
  }
}

/// Asks for what modulates this subgroup's share of the columns.
void ask_modulation() {
  const uint first = subgroup() * NORMED;
  EACH(u, NORMED) {
    scales[u] = shifts[u] = vec4(0.0);
    if (!even_columns() && first + u >= NORMED_ALL) continue;
    scales[u] = table_values(modulation_start, P.scale, first + u, S(width));
    shifts[u] = table_values(modulation_start, P.shift, first + u, S(width));
  }
}

/// Asks for this subgroup's share of a fragment of rows, and of what modulates it unless that comes later.
void ask_normed(uint fragment, uint step) {
  modulation_start = table_row(fragment / S(token_fragments), step);
#ifndef PERSISTENT
  ask_rows(fragment);  // while the table's row is looked up
#endif
  if (!MODULATES_LATE) ask_modulation();
#ifdef PERSISTENT
  wait_for_others();
  ask_rows(fragment);
#endif
}

/// How many values of a row are a subgroup's.
float values_of_subgroup(uint w) {
  return float(clamp(int(S(width)) - int(w * NORMED * 16u), 0, int(NORMED * 16u)));
}

/// norm(x)·(1 + scale) + shift. Means and squares are made a subgroup first, each about its own mean, so that a large
/// mean costs no digits and there is one barrier.
/// source: Ba, Kiros, Hinton 2016 (arXiv 1607.06450) eq. 4; Zhang & Sennrich 2019 (arXiv 1910.07467) eq. 4;
/// Chan, Golub, LeVeque 1979 for the union of sums
void make_normed() {
  const uint first = subgroup() * NORMED;
  // Upper row in x, lower in y, from here on.
  const float mine = even_columns() ? float(NORMED * 16u) : values_of_subgroup(subgroup());
  vec2 mean = vec2(0.0), squares = vec2(0.0);
  if (S(centred) != 0u) {
    EACH(u, NORMED) mean += vec2(dot(row_values[u].upper, vec4(1.0)), dot(row_values[u].lower, vec4(1.0)));
    mean = vec2(row_sum(mean.x), row_sum(mean.y)) * (1.0 / max(mine, 1.0));
  }
  EACH(u, NORMED) {
    const vec4 upper = real_columns(row_values[u].upper - mean.x, first + u);
    const vec4 lower = real_columns(row_values[u].lower - mean.y, first + u);
    squares += vec2(dot(upper, upper), dot(lower, lower));
  }
  squares = vec2(row_sum(squares.x), row_sum(squares.y));
  if (invocation() % 4u == 0u) statistics[subgroup() * 8u + own_row()] = vec4(mean, squares);
  barrier();
  // Shares of subgroups that have as many values each weigh the same.
  vec2 all = vec2(0.0), within_subgroups = vec2(0.0), between_subgroups = vec2(0.0);
  [[unroll]] for (uint w = 0u; w < SUBGROUPS; ++w)
    all += (even_columns() ? mine : values_of_subgroup(w)) * statistics[w * 8u + own_row()].xy;
  all *= 1.0 / float(S(width));
  [[unroll]] for (uint w = 0u; w < SUBGROUPS; ++w) {
    const vec4 of_subgroup = statistics[w * 8u + own_row()];
    const vec2 apart = of_subgroup.xy - all;
    within_subgroups += of_subgroup.zw;
    between_subgroups += (even_columns() ? 1.0 : values_of_subgroup(w)) * apart * apart;
  }
  const vec2 squares_of_all = within_subgroups + (even_columns() ? mine : 1.0) * between_subgroups;
  const vec2 variance = squares_of_all * (1.0 / float(S(divisor)));
  const float eps = uintBitsToFloat(S(eps_bits));
  const vec2 factor = S(eps_outside) != 0u ? 1.0 / (sqrt(variance) + eps) : inversesqrt(variance + eps);
  if (MODULATES_LATE) ask_modulation();
  EACH(u, NORMED) {
    const vec4 upper = (row_values[u].upper - all.x) * (factor.x * (1.0 + scales[u])) + shifts[u];
    const vec4 lower = (row_values[u].lower - all.y) * (factor.y * (1.0 + scales[u])) + shifts[u];
    lhs_fragments[u] = quad_of(Fragment(real_columns(upper, first + u), real_columns(lower, first + u)));
  }
}

/// The noise of a fragment of tokens, in fours of features, where the subgroups exchange; kept in the image if told so.
void make_noise(uint batch_row, uint first_token, bool keep) {
  const uint icon = batch_row % P.batch, fours = S(width) / 4u;
  [[dont_unroll]] for (uint i = local_index(); i < 16u * fours; i += INVOCATIONS) {
    const uint token = first_token + i / fours;
    if (token >= S(tokens)) continue;
    const uint pixel = pixel_of(token, i % fours * 4u);
    const vec4 z = normals(icon, 0u, pixel / 4u);
    exchange[i] = z;
    if (keep && batch_row < P.batch) arena_floats4[P.image + (icon * icon_elements() + pixel) / 4u] = z;
  }
  barrier();
}

/// Two neighbouring values of a window that overlaps others, if they lie in one word of two: loaded whether they are
/// within the image or not, so that no load waits for a branch.
vec2 overlapping_pair(uint icon, uint token, uint feature) {
  const uvec2 pixel = window_pixel(token, feature);
  const uint channel = min(feature / (S(window_size) * S(window_size)), S(channels) - 1u);
  const uint line = (icon * S(channels) + channel) * S(height) + min(pixel.y, S(height) - 1u);
  const vec2 v = arena_floats2[P.image * 2u + (line * S(image_width) + min(pixel.x, S(image_width) - 2u)) / 2u];
  return pixel.y < S(height) && pixel.x < S(image_width) ? v : vec2(0.0);
}

/// Two neighbouring values of the window of token `first_token` + `row`.
vec2 window_pair(uint batch_row, uint first_token, uint row, uint feature, bool noisy) {
  const uint icon = batch_row % P.batch, token = first_token + row;
  const bool even = (S(window_size) % 4u | S(patch_size) % 4u | S(image_width) % 2u) == 0u;
  if (S(aligned) == 0u && even && S(tokens) % 16u == 0u && S(width) % 16u == 0u)
    return overlapping_pair(icon, token, feature);
  if (token >= S(tokens) || feature >= S(width)) return vec2(0.0);
  if (S(aligned) == 0u) return vec2(window_value(icon, token, feature), window_value(icon, token, feature + 1u));
  if (!noisy) return arena_floats2[P.image * 2u + (icon * icon_elements() + pixel_of(token, feature)) / 2u];
  const vec4 z = exchange[(row * S(width) + feature) / 4u];
  return feature % 4u == 0u ? z.xy : z.zw;
}

void make_windows(uint fragment, uint step, bool keep) {
  const uint batch_row = fragment / S(token_fragments), token = fragment % S(token_fragments) * 16u;
  const bool noisy = S(noisy) != 0u && solver_row[step * P.batch + batch_row % P.batch] == 0u;
  wait_for_others();
  if (noisy) make_noise(batch_row, token, keep);
  EACH(u, S(lhs_share)) {
    const uint column = column_of(subgroup() * S(lhs_share) + u, 0u);
    vec4 halves[2];
    [[unroll]] for (uint h = 0u; h < 2u; ++h)
      halves[h] = vec4(window_pair(batch_row, token, own_row() + 8u * h, column, noisy),
                       window_pair(batch_row, token, own_row() + 8u * h, column + 8u, noisy));
    lhs_fragments[u] = quad_of(Fragment(halves[0], halves[1]));
  }
  if (S(noisy) != 0u) barrier();  // the accumulators go where the noise is
}

void store_lhs(uint fragment) {
  EACH(u, S(lhs_share)) {
    const uint at = subgroup() * S(lhs_share) + u;
    if (at < S(depth_fragments))
      arena_quads[P.y + (fragment * S(depth_fragments) + at) * FRAGMENT + invocation()] = lhs_fragments[u];
  }
}

// Stages of their own: one fragment of rows a tile.
void norm_stage(uint fragment, uint step) {
  ask_normed(fragment, step);
  make_normed();
  store_lhs(fragment);
}
void windows_stage(uint fragment, uint step) {
  make_windows(fragment, step, true);
  store_lhs(fragment);
}
