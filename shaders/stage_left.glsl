// SPDX-License-Identifier: MIT
// Left sides of products that are made on the way: rows normed and modulated, windows of the image.

/// The sum of `v` over teams of `team` neighbouring invocations, `team` a power of two. Call in uniform control flow.
float team_sum(float v, uint team) {
#ifdef MATRIX
  for (uint i = 1u; i < team; i <<= 1) v += subgroupShuffleXor(v, i);
  return v;
#else
  barrier();
  sums[thread()] = v;
  barrier();
  const uint first = thread() / team * team;
  float total = 0.0;
  for (uint i = 0u; i < team; ++i) total += sums[first + i];
  return total;
#endif
}

/// Zero where column 4·four + i is not a real one.
vec4 within(vec4 v, uint four, uint width) {
  return vec4(4u * four < width ? v.x : 0.0, 4u * four + 1u < width ? v.y : 0.0, 4u * four + 2u < width ? v.z : 0.0,
              4u * four + 3u < width ? v.w : 0.0);
}

/// Values 8·e … 8·e + 7 of a row, which is `row` of the tile or row % 16 of block `block` of the arena.
void put_left(uint s, uint block, uint row, uint e, bool into_tile, bool real, vec4 low, vec4 high) {
  const uint depth = stages[s].depth_blocks, eight = (row % 16u) * 2u + e % 2u;
  if (into_tile) {
    set_tile_eight((row / 16u * depth + e / 2u) * BLOCK, eight, low, high);
  } else if (real) {
    const uint at = stages[s].y + (block * depth + e / 2u) * BLOCK;
    set_arena_four(at, 2u * eight, low);
    set_arena_four(at, 2u * eight + 1u, high);
  }
}

/// Eights of a row that an invocation keeps between the passes of its norm; the rest it reads again.
const uint HELD = 4u;

vec4 modulated(uint s, vec4 x, uint four, vec2 statistics, vec4 scale, vec4 shift) {
  return within((x - statistics.x) * statistics.y * (1.0 + scale) + shift, four, stages[s].width);
}

/// Blocks of norm(x)·(1+scale)+shift for `blocks` blocks of rows, into the tile or to the arena. Two passes over the
/// values, so that a large mean costs no digits; all loads are under way before the first is needed.
/// source: Ba, Kiros, Hinton 2016 (arXiv 1607.06450) eq. 4; Zhang & Sennrich 2019 (arXiv 1910.07467) eq. 4
void norm_rows(uint s, uint first_block, uint blocks, uint step, bool into_tile) {
  const uint team = INVOCATIONS / (16u * blocks), row = thread() / team, member = thread() % team;
  const uint eights = stages[s].depth_blocks * 2u, width = stages[s].width;
  const uint block = min(first_block + row / 16u, stages[s].row_blocks - 1u);
  const uint from = stages[s].a + (block * 16u + row % 16u) * eights * 2u;
  vec4 x[HELD * 2u], scale[HELD * 2u], shift[HELD * 2u];
  [[unroll]] for (uint i = 0u; i < HELD * 2u; ++i) {
    const uint e = member + i / 2u * team;
    x[i] = e < eights ? arena_floats4[from + 2u * e + i % 2u] : vec4(0.0);
  }
  const uint row_start = table_row(s, block / stages[s].token_blocks, step);
  [[unroll]] for (uint i = 0u; i < HELD * 2u; ++i) {
    const uint four = 2u * (member + i / 2u * team) + i % 2u;
    scale[i] = table_four(s, row_start, stages[s].scale, 4u * four, width);
    shift[i] = table_four(s, row_start, stages[s].shift, 4u * four, width);
  }
  const uint rest = 2u * (member + HELD * team);  // first four beyond those held
  float sum = 0.0, mean = 0.0;
  if (stages[s].centred != 0u) {
    [[unroll]] for (uint i = 0u; i < HELD * 2u; ++i) sum += dot(x[i], vec4(1.0));
    for (uint f = rest; f < 2u * eights; f += 2u * team)
      sum += dot(arena_floats4[from + f] + arena_floats4[from + f + 1u], vec4(1.0));
    mean = team_sum(sum, team) / float(width);
  }
  sum = 0.0;
  [[unroll]] for (uint i = 0u; i < HELD * 2u; ++i) {
    const vec4 d = within(x[i] - mean, 2u * (member + i / 2u * team) + i % 2u, width);
    sum += dot(d, d);
  }
  for (uint f = rest; f < 2u * eights; f += 2u * team) {
    const vec4 low = within(arena_floats4[from + f] - mean, f, width);
    const vec4 high = within(arena_floats4[from + f + 1u] - mean, f + 1u, width);
    sum += dot(low, low) + dot(high, high);
  }
  const float variance = team_sum(sum, team) / float(stages[s].divisor), eps = uintBitsToFloat(stages[s].eps_bits);
  const vec2 statistics = vec2(mean, 1.0 / (stages[s].eps_outside != 0u ? sqrt(variance) + eps : sqrt(variance + eps)));

  const bool real = block % stages[s].token_blocks * 16u + row % 16u < stages[s].tokens;
  [[unroll]] for (uint i = 0u; i < HELD; ++i) {
    const uint e = member + i * team;
    const vec4 low = modulated(s, x[2u * i], 2u * e, statistics, scale[2u * i], shift[2u * i]);
    const vec4 high = modulated(s, x[2u * i + 1u], 2u * e + 1u, statistics, scale[2u * i + 1u], shift[2u * i + 1u]);
    if (e < eights) put_left(s, block, row, e, into_tile, real, low, high);
  }
  for (uint f = rest; f < 2u * eights; f += 2u * team) {
    vec4 v[2];
    for (uint i = 0u; i < 2u; ++i) {
      v[i] = modulated(s, arena_floats4[from + f + i], f + i, statistics,
                       table_four(s, row_start, stages[s].scale, 4u * (f + i), width),
                       table_four(s, row_start, stages[s].shift, 4u * (f + i), width));
    }
    put_left(s, block, row, f / 2u, into_tile, real, v[0], v[1]);
  }
}

/// Where four neighbouring features of a token lie in an icon, if windows do not overlap and rows are whole fours.
uint pixel_of(uint s, uint token, uint feature) {
  const uint patch_size = stages[s].patch_size, area = patch_size * patch_size, across = stages[s].image_width / patch_size;
  const uint line = token / across * patch_size + feature % area / patch_size;
  const uint column = token % across * patch_size + feature % patch_size;
  return (feature / area * stages[s].height + line) * stages[s].image_width + column;
}

uint icon_elements(uint s) { return stages[s].channels * stages[s].height * stages[s].image_width; }

float window_value(uint s, uint icon, uint token, uint feature) {
  const uint size = stages[s].window_size * stages[s].window_size, border = (stages[s].window_size - stages[s].patch_size) / 2u;
  const uint across = stages[s].image_width / stages[s].patch_size, at = feature % size;
  if (feature >= stages[s].width) return 0.0;
  // Above or left of the image these wrap round, and are then far beyond its size.
  const uint y = token / across * stages[s].patch_size + at / stages[s].window_size - border;
  const uint x = token % across * stages[s].patch_size + at % stages[s].window_size - border;
  if (y >= stages[s].height || x >= stages[s].image_width) return 0.0;
  const uint line = (icon * stages[s].channels + feature / size) * stages[s].height + y;
  return arena_floats[stages[s].image * 4u + line * stages[s].image_width + x];
}

vec4 window_four(uint s, uint batch_row, uint token, uint feature, bool noisy, bool keep) {
  const uint icon = batch_row % stages[s].batch;
  if (stages[s].aligned != 0u) {
    if (feature >= stages[s].width) return vec4(0.0);
    const uint pixel = pixel_of(s, token, feature), at = stages[s].image + (icon * icon_elements(s) + pixel) / 4u;
    if (!noisy) return arena_floats4[at];
    const vec4 z = normals(icon, 0u, pixel / 4u);
    if (keep && batch_row < stages[s].batch) arena_floats4[at] = z;
    return z;
  }
  return vec4(window_value(s, icon, token, feature), window_value(s, icon, token, feature + 1u),
              window_value(s, icon, token, feature + 2u), window_value(s, icon, token, feature + 3u));
}

/// Blocks of windows of the image, into the tile or to the arena. Where noise is due it is made here, and kept in the
/// image by the workgroup that says so.
void window_rows(uint s, uint first_block, uint blocks, uint step, bool into_tile, bool keep) {
  const uint depth = stages[s].depth_blocks;
  for (uint i = thread(); i < blocks * depth * 32u; i += INVOCATIONS) {
    const uint e = i % (depth * 2u), row = i / (depth * 2u);
    const uint block = min(first_block + row / 16u, stages[s].row_blocks - 1u);
    const uint batch_row = block / stages[s].token_blocks;
    const uint token = block % stages[s].token_blocks * 16u + row % 16u;
    const bool noisy = stages[s].noisy != 0u && solver_row[step * stages[s].batch + batch_row % stages[s].batch] == 0u;
    vec4 low = vec4(0.0), high = vec4(0.0);
    if (token < stages[s].tokens) {
      low = window_four(s, batch_row, token, 8u * e, noisy, keep);
      high = window_four(s, batch_row, token, 8u * e + 4u, noisy, keep);
    }
    put_left(s, block, row, e, into_tile, token < stages[s].tokens, low, high);
  }
}
