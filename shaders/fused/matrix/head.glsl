// SPDX-License-Identifier: MIT
// The convolutional head: all its layers of 3×3 for a tile of pixels. A layer makes as many pixels around the tile as
// the layers after it look at, so that hidden maps never leave shared memory: pixels at the edge are made by several
// workgroups. A product is 16 pixels one after another of what a layer makes, by the channels around them, tap by tap.
//   map [R,H,W,F] halves, each 16 channels as an invocation holds them: 2t, 2t+1, 2t+8, 2t+9   picture [B,C,H,W] f32
//   y [R,O,H,W] f32
// Weights: of the first layer those of the map, a fragment a tap and 16 channels, then those of the picture, fragments a
// line of three taps; then the other layers'. It has no heads and no patches, and reads sizes from fields of theirs.
#ifdef MATRIX_EMULATED
// A software device takes a second to compile each product that stands in the code.
#define HEAD_EACH(i, count) [[dont_unroll]] for (uint i = 0u; i < (count); ++i)
#else
#define HEAD_EACH EACH
#endif
const bool IS_HEAD = S(kind) == STAGE_HEAD;
const uint LAYERS = IS_HEAD ? S(head_group) : 1u;
const uint INNER_LAYERS = LAYERS > 2u ? LAYERS - 2u : 0u;  // between the first and the last
const uint TILE_HIGH = S(patch_size);
const uint TILE_WIDE = S(window_size);
// Fragments of channels.
const uint MAP_CHANNELS = IS_HEAD ? S(channels) / 16u : 1u;
const uint HIDDEN = IS_HEAD ? (S(head_dim) + 15u) / 16u : 1u;
const uint PREDICTED = IS_HEAD ? (S(columns) + 15u) / 16u : 1u;
const uint BESIDE_WORDS = IS_HEAD ? (S(width) + 1u) / 2u : 0u;      // of the picture, in pairs of channels, a pixel
const uint BESIDE_FRAGMENTS = (3u * BESIDE_WORDS + 7u) / 8u;        // of a line of three taps
const uint FIRST_WEIGHTS = HIDDEN * (9u * MAP_CHANNELS + 3u * BESIDE_FRAGMENTS);
// Hidden maps lie in `exchange`, two fragments of channels an invocation's four words: those of the layers 0, 2, … at
// its start, of the others, and before them the picture, behind those.
const uint HIDDEN_PAIRS = (HIDDEN + 1u) / 2u;
const uint ODD_PLACE = HIDDEN_PAIRS * (TILE_HIGH + 2u * LAYERS - 2u) * (TILE_WIDE + 2u * LAYERS - 2u) * 4u;
const uint HIDDEN_SUMS = S(down) * HIDDEN;
const uint HEAD_SUMS = S(across) * PREDICTED > HIDDEN_SUMS ? S(across) * PREDICTED : HIDDEN_SUMS;
const uint HEAD_ROWS = IS_HEAD ? 2u * (S(across) > S(down) ? S(across) : S(down)) : 1u;
Accumulator head_sums[IS_HEAD ? HEAD_SUMS : 1u];
uvec2 head_pixels[HEAD_ROWS];  // column and line, of what the layer makes, of an invocation's rows

/// What a layer makes: pixels around the tile, and how many in a line and in all.
uint ring(uint layer) { return LAYERS - 1u - layer; }
uint line_of(uint layer) { return TILE_WIDE + 2u * ring(layer); }
uint pixels_of_layer(uint layer) { return (TILE_HIGH + 2u * ring(layer)) * line_of(layer); }
uint hidden_place(uint layer) { return layer % 2u == 0u ? 0u : ODD_PLACE; }

/// Number of the pixel that row `row` of an invocation's two of fragment `fragment` is.
uint pixel_number(uint fragment, uint row) { return fragment * 16u + own_row() + row * 8u; }

void begin_fragments(uint layer, uint first, uint down, uint columns) {
  EACH(i, down * columns) head_sums[i] = no_accumulator();
  EACH(i, 2u * down) {
    const uint nth = min(pixel_number(first + i / 2u, i % 2u), pixels_of_layer(layer) - 1u);
    head_pixels[i] = uvec2(nth % line_of(layer), nth / line_of(layer));
  }
}

/// The part of a picture that the first layer looks at, in pairs of halves; 0 beyond its edges.
void stage_picture(uint batch_row, uvec2 corner) {
  const uint line = line_of(0u) + 2u, words = line * (TILE_HIGH + 2u * LAYERS) * BESIDE_WORDS + BESIDE_FRAGMENTS * 8u;
  const uint icon = batch_row % (S(guided) != 0u ? P.rows / 2u : P.rows);
  for (uint i = local_index(); i < (words + 3u) / 4u; i += INVOCATIONS) {
    vec4 quad = vec4(0.0);
    [[unroll]] for (uint j = 0u; j < 4u; ++j) {
      const uint pixel = (i * 4u + j) / BESIDE_WORDS, channel = (i * 4u + j) % BESIDE_WORDS * 2u;
      const uvec2 at = corner + uvec2(pixel % line, pixel / line) - LAYERS;
      if (at.x >= S(image_width) || at.y >= S(height)) continue;
      const uint size = S(height) * S(image_width);
      const uint from = P.image * 4u + (icon * S(width) + channel) * size + at.y * S(image_width) + at.x;
      const float second = channel + 1u < S(width) ? arena_floats[from + size] : 0.0;
      quad[j] = uintBitsToFloat(packed_pair(vec2(arena_floats[from], second)));
    }
    exchange[ODD_PLACE + i] = quad;
  }
}

/// A word of what stage_picture() left.
uint picture_word(uint at) { return floatBitsToUint(exchange[ODD_PLACE + at / 4u][at % 4u]); }

/// An invocation's four channels of the map at a pixel; 0 beyond its edges.
uvec2 map_pair(uint batch_row, uvec2 pixel, uint plane) {
  const bool inside = pixel.x < S(image_width) && pixel.y < S(height);
  const uint nth = (batch_row * S(height) + pixel.y) * S(image_width) + pixel.x;
  const uvec2 v = arena_pairs[P.a * 2u + (inside ? (nth * MAP_CHANNELS + plane) * 4u + invocation() % 4u : 0u)];
  return inside ? v : uvec2(0u);
}

#define HEAD_MULTIPLY(i, columns, upper, lower)                                                   \
  {                                                                                               \
    const Lhs lhs = lhs_of(uvec4((upper).x, (lower).x, (upper).y, (lower).y));                    \
    HEAD_EACH(j, columns)                                                                         \
      head_sums[(i) * (columns) + j] = MULTIPLY_ADD(lhs, rhs[j], head_sums[(i) * (columns) + j]); \
  }
#define HEAD_RHS(columns, at, pitch) \
  Rhs rhs[columns];                  \
  HEAD_EACH(j, columns) rhs[j] = rhs_of(weight_quads[P.weight + ((at) + j * (pitch)) * FRAGMENT + invocation()]);

void multiply_map(uint batch_row, uvec2 corner) {
  [[dont_unroll]] for (uint y = 0u; y < 3u; ++y) {
    HEAD_EACH(x, 3u)
      HEAD_EACH(plane, MAP_CHANNELS) {
        HEAD_RHS(HIDDEN, (y * 3u + x) * MAP_CHANNELS + plane, 9u * MAP_CHANNELS)
        HEAD_EACH(i, S(down)) {
          const uvec2 from = corner + uvec2(x, y) - LAYERS;
          const uvec2 upper = map_pair(batch_row, from + head_pixels[2u * i], plane);
          const uvec2 lower = map_pair(batch_row, from + head_pixels[2u * i + 1u], plane);
          HEAD_MULTIPLY(i, HIDDEN, upper, lower)
        }
      }
  }
}

void multiply_picture() {
  const uint line = line_of(0u) + 2u;
  [[dont_unroll]] for (uint y = 0u; y < 3u; ++y) {
    HEAD_EACH(f, BESIDE_FRAGMENTS) {
      HEAD_RHS(HIDDEN, HIDDEN * 9u * MAP_CHANNELS + y * BESIDE_FRAGMENTS + f, 3u * BESIDE_FRAGMENTS)
      HEAD_EACH(i, S(down)) {
        uvec2 halves[2];
        EACH(h, 2u) {
          const uvec2 pixel = head_pixels[2u * i + h];
          const uint at = ((pixel.y + y) * line + pixel.x) * BESIDE_WORDS + f * 8u + invocation() % 4u;
          halves[h] = uvec2(picture_word(at), picture_word(at + 4u));
        }
        HEAD_MULTIPLY(i, HIDDEN, halves[0], halves[1])
      }
    }
  }
}

/// Where an invocation's words of a hidden map begin for a pixel of it.
uint in_hidden(uint layer, uint pair, uvec2 pixel) {
  const uint nth = pixel.y * line_of(layer) + pixel.x;
  return hidden_place(layer) + (pair * pixels_of_layer(layer) + nth) * 4u + invocation() % 4u;
}

// By the hidden map of the layer before; `start`: of its weights.
#define MULTIPLY_HIDDEN(layer, down, columns, start)                                                                 \
  [[dont_unroll]] for (uint y = 0u; y < 3u; ++y) {                                                                   \
    HEAD_EACH(x, 3u)                                                                                                 \
      HEAD_EACH(pair, HIDDEN_PAIRS) {                                                                                \
        uvec4 upper[down], lower[down];                                                                              \
        HEAD_EACH(i, down) {                                                                                         \
          upper[i] = floatBitsToUint(exchange[in_hidden(layer - 1u, pair, head_pixels[2u * i] + uvec2(x, y))]);      \
          lower[i] = floatBitsToUint(exchange[in_hidden(layer - 1u, pair, head_pixels[2u * i + 1u] + uvec2(x, y))]); \
        }                                                                                                            \
        {                                                                                                            \
          HEAD_RHS(columns, (start) + (y * 3u + x) * HIDDEN + 2u * pair, 9u * HIDDEN)                                \
          HEAD_EACH(i, down) HEAD_MULTIPLY(i, columns, upper[i].xy, lower[i].xy)                                     \
        }                                                                                                            \
        if (2u * pair + 1u < HIDDEN) {                                                                               \
          HEAD_RHS(columns, (start) + (y * 3u + x) * HIDDEN + 2u * pair + 1u, 9u * HIDDEN)                           \
          HEAD_EACH(i, down) HEAD_MULTIPLY(i, columns, upper[i].zw, lower[i].zw)                                     \
        }                                                                                                            \
      }                                                                                                              \
  }

vec4 head_bias(uint layer, uint column_fragment) {
  const uint at = (P.bias + layer * HIDDEN * 64u) * 2u + column_of(column_fragment, 0u) / 2u;
  return vec4(weight_floats2[at], weight_floats2[at + 4u]);
}

/// act(sum + bias), and what the layer before had there, as words; 0 beyond the picture, where the next layer looks too.
vec2 hidden_words(uint layer, uint column_fragment, vec4 sum, vec2 old, bool inside) {
  vec4 v = sum + head_bias(layer, column_fragment);
  EACH(i, 4u) v[i] = activated(v[i], S(activation));
  if (layer > 0u) v += unpacked(floatBitsToUint(old));
  return uintBitsToFloat(packed(inside ? v : vec4(0.0)));
}

void store_hidden(uint layer, uint first, uvec2 corner) {
  EACH(i, S(down))
    EACH(pair, HIDDEN_PAIRS) {
      const bool both = 2u * pair + 1u < HIDDEN;
      const Fragment even = fragment_of(head_sums[i * HIDDEN + 2u * pair]);
      const Fragment odd = fragment_of(head_sums[i * HIDDEN + 2u * pair + (both ? 1u : 0u)]);
      EACH(h, 2u) {
        const uvec2 pixel = head_pixels[2u * i + h], at = corner + pixel - ring(layer);
        const bool inside = at.x < S(image_width) && at.y < S(height);
        vec4 old = vec4(0.0), words = vec4(0.0);
        if (layer > 0u) old = exchange[in_hidden(layer - 1u, pair, pixel + 1u)];
        words.xy = hidden_words(layer, 2u * pair, h == 0u ? even.upper : even.lower, old.xy, inside);
        if (both) words.zw = hidden_words(layer, 2u * pair + 1u, h == 0u ? odd.upper : odd.lower, old.zw, inside);
        if (pixel_number(first + i, h) < pixels_of_layer(layer)) exchange[in_hidden(layer, pair, pixel)] = words;
      }
    }
}

void store_prediction(uint batch_row, uint first, uvec2 corner) {
  EACH(i, S(across))
    EACH(j, PREDICTED) {
      const Fragment sum = fragment_of(head_sums[i * PREDICTED + j]);
      const vec4 bias = head_bias(LAYERS - 1u, j);
      EACH(e, 8u) {
        const uvec2 at = corner + head_pixels[2u * i + e / 4u];
        const uint channel = column_of(j, e % 4u);
        const bool real = channel < S(columns) && at.x < S(image_width) && at.y < S(height) &&
                          pixel_number(first + i, e / 4u) < pixels_of_layer(LAYERS - 1u);
        const uint to = P.y * 4u + ((batch_row * S(columns) + channel) * S(height) + at.y) * S(image_width) + at.x;
        if (real) arena_floats[to] = (e < 4u ? sum.upper[e % 4u] : sum.lower[e % 4u]) + bias[e % 4u];
      }
    }
}

// The subgroups share what a layer makes, `down` fragments each at a time. With matrices emulated all stay together.
#ifdef MATRIX_EMULATED
#define HEAD_BREAK
#else
#define HEAD_BREAK if (first >= fragments) break;
#endif
#define EACH_FRAGMENTS(layer, down, work)                                 \
  {                                                                       \
    const uint fragments = (pixels_of_layer(layer) + 15u) / 16u;          \
    for (uint turn = 0u; turn * SUBGROUPS * (down) < fragments; ++turn) { \
      const uint first = (turn * SUBGROUPS + subgroup()) * (down);        \
      HEAD_BREAK                                                          \
      work                                                                \
    }                                                                     \
    barrier();                                                            \
  }

void head_stage(uint tile_at) {
  wait_for_others();
  const uint across = (S(image_width) + TILE_WIDE - 1u) / TILE_WIDE, high = (S(height) + TILE_HIGH - 1u) / TILE_HIGH;
  const uint batch_row = tile_at / (across * high);
  const uvec2 corner = uvec2(tile_at % across * TILE_WIDE, tile_at / across % high * TILE_HIGH);
  if (BESIDE_WORDS > 0u) stage_picture(batch_row, corner);
  barrier();
  EACH_FRAGMENTS(0u, S(down), {
    begin_fragments(0u, first, S(down), HIDDEN);
    multiply_map(batch_row, corner);
    multiply_picture();
    store_hidden(0u, first, corner);
  })
  HEAD_EACH(inner, INNER_LAYERS) {
    const uint layer = inner + 1u;
    const uint start = FIRST_WEIGHTS + (layer - 1u) * 9u * HIDDEN * HIDDEN;
    EACH_FRAGMENTS(layer, S(down), {
      begin_fragments(layer, first, S(down), HIDDEN);
      MULTIPLY_HIDDEN(layer, S(down), HIDDEN, start)
      store_hidden(layer, first, corner);
    })
  }
  EACH_FRAGMENTS(LAYERS - 1u, S(across), {
    begin_fragments(LAYERS - 1u, first, S(across), PREDICTED);
    MULTIPLY_HIDDEN((LAYERS - 1u), S(across), PREDICTED, FIRST_WEIGHTS + (LAYERS - 2u) * 9u * HIDDEN * HIDDEN)
    store_prediction(batch_row, first, corner);
  })
}
