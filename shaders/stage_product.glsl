// SPDX-License-Identifier: MIT
// Products: a workgroup makes a tile of warps_down·DOWN × warps_across·ACROSS blocks, each warp DOWN × ACROSS of them over
// every warps_deep-th block of the sum. Blocks lie one after the other in memory, so a warp reads them whole, straight
// from the cache into registers; only left sides that are made on the way pass through shared memory.

/// What follows a product: four neighbouring values of row `row` of block `block`, from column `column` on.
void store_four(uint s, uint block, uint row, uint column, vec4 v, uint step) {
  const uint store = STORE == STAGE_ANY ? stages[s].store : STORE;
  const uint batch_row = block / stages[s].token_blocks, token = block % stages[s].token_blocks * 16u + row;
  if (token >= stages[s].tokens) return;
  if (stages[s].bias != NO_PLACE) v += weight_floats[stages[s].bias + column / 4u];
  if (store == STORE_BLOCKS) {
    [[unroll]] for (uint i = 0u; i < 4u; ++i) v[i] = activated(v[i], stages[s].activation);
    const uint at = stages[s].y + (block * stages[s].column_blocks + column / 16u) * BLOCK;
    set_arena_four(at, in_block(row, column % 16u / 4u), v);
    return;
  }
  if (column >= stages[s].columns) return;
  const uint at = stages[s].y + (block * 16u + row) * stages[s].column_blocks * 4u + column / 4u;
  if (store == STORE_ROWS) {
    arena_floats4[at] = v;
  } else if (store == STORE_ADD) {
    vec4 gate = vec4(1.0);
    if (stages[s].gate != NO_PLACE) {
      gate = table_four(s, table_row(s, batch_row, step), stages[s].gate, column, stages[s].columns);
    }
    arena_floats4[at] += gate * v;
  } else if (store == STORE_EMBED) {
    arena_floats4[at] = v + weight_floats[stages[s].position + token * stages[s].column_blocks * 4u + column / 4u];
  } else if (store == STORE_IMAGE) {
    for (uint i = 0u; i < 4u && column + i < stages[s].columns; ++i)
      arena_floats[stages[s].y * 4u + batch_row * icon_elements(s) + pixel_of(s, token, column + i)] = v[i];
  } else if (store == STORE_SOLVE) {
    const uint solver_at = solver_row[step * stages[s].batch + batch_row], pixel = pixel_of(s, token, column);
    const SolverRow w = solver[solver_at];
    vec4 z = vec4(0.0);
    if (w.c != 0.0) z = normals(batch_row, solver_at + 1u, pixel / 4u);
    [[unroll]] for (uint i = 0u; i < 4u; ++i)
      solved(s, w, batch_row * icon_elements(s) + pixel + i, v[i], z[i], step);
  }
}

/// Makes the left side of the tile in shared memory where it is not in the arena yet.
void make_left(uint s, uint left, uint first_block, uint blocks, uint step, bool keep) {
  if (left == LEFT_NORM) {
    norm_rows(s, first_block, blocks, step, true);
  } else if (left == LEFT_WINDOWS) {
    window_rows(s, first_block, blocks, step, true, keep);
  } else {
    for (uint head = 0u; head < stages[s].heads; head += stages[s].head_group) {
      attend(s, first_block, head, true);
      barrier();
    }
  }
  barrier();
}

#ifdef MATRIX
/// An invocation's share of the next AHEAD blocks of the right side.
#define LOAD_RIGHT                                                                                    \
  [[unroll]] for (uint u = 0u; u < AHEAD; ++u) {                                                      \
    if (k + u * deep >= depth) continue;                                                              \
    [[unroll]] for (uint j = 0u; j < ACROSS; ++j)                                                     \
      right_quads[u * ACROSS + j] = weight_quads[right_at[j] + (k + u * deep) * BLOCK + lane()];      \
  }

/// Large products: CHUNK blocks of the sum at a time pass through shared memory, the next ones in registers meanwhile.
#define STAGED_PRODUCT                                                                                \
  uvec4 held[STAGED];                                                                                 \
  uint at[STAGED];                                                                                    \
  [[unroll]] for (uint i = 0u; i < STAGED; ++i) {                                                     \
    const uint q = thread() + i * INVOCATIONS, block = q / 32u, line = block / CHUNK;                 \
    at[i] = line < ROWS ? stages[s].a + min(first_row + line, row_blocks - 1u) * depth * BLOCK        \
                        : stages[s].weight + min(first_column + line - ROWS, column_blocks - 1u) * depth * BLOCK; \
    at[i] += block % CHUNK * BLOCK + q % 32u;                                                         \
  }                                                                                                   \
  for (uint from = 0u; from < depth + CHUNK; from += CHUNK) {                                         \
    if (from > 0u) {                                                                                  \
      barrier();                                                                                      \
      [[unroll]] for (uint i = 0u; i < STAGED; ++i) {                                                 \
        const uint q = thread() + i * INVOCATIONS;                                                    \
        tile[q / 32u * STAGED_BLOCK + q % 32u / 2u * STAGED_PITCH + q % 2u] = held[i];                \
      }                                                                                               \
      barrier();                                                                                      \
    }                                                                                                 \
    if (from < depth) {                                                                               \
      [[unroll]] for (uint i = 0u; i < STAGED; ++i) {                                                 \
        const bool rows = (thread() + i * INVOCATIONS) / 32u / CHUNK < ROWS;                          \
        if (rows) held[i] = arena_quads[at[i] + from * BLOCK];                                        \
        else held[i] = weight_quads[at[i] + from * BLOCK];                                            \
      }                                                                                               \
    }                                                                                                 \
    if (from == 0u) continue;                                                                         \
    [[unroll]] for (uint u = 0u; u < CHUNK; ++u) {                                                    \
      LeftBlock l[DOWN];                                                                              \
      RightBlock r[ACROSS];                                                                           \
      [[unroll]] for (uint i = 0u; i < DOWN; ++i)                                                     \
        LOAD_STAGED_BY_ROW(l[i], ((my_row + i) * CHUNK + u) * STAGED_BLOCK);                          \
      [[unroll]] for (uint j = 0u; j < ACROSS; ++j)                                                   \
        LOAD_STAGED_BY_COLUMN(r[j], ((ROWS + my_column + j) * CHUNK + u) * STAGED_BLOCK);             \
      [[unroll]] for (uint i = 0u; i < DOWN; ++i)                                                     \
        [[unroll]] for (uint j = 0u; j < ACROSS; ++j)                                                 \
          sum[i * ACROSS + j] = MULTIPLY_ADD(l[i], r[j], sum[i * ACROSS + j]);                        \
    }                                                                                                 \
  }
#endif

void product(uint s, uint tile_at, uint step) {
  const uint left = LEFT == STAGE_ANY ? stages[s].left : LEFT;
  const uint down = stages[s].warps_down, across = stages[s].warps_across, deep = stages[s].warps_deep;
  const uint depth = stages[s].depth_blocks, row_blocks = stages[s].row_blocks, column_blocks = stages[s].column_blocks;
  const uint first_row = tile_at / stages[s].tiles_across * down * DOWN;
  const uint first_column = tile_at % stages[s].tiles_across * across * ACROSS;
  const uint place = warp() % (down * across), my_row = place / across * DOWN, my_column = place % across * ACROSS;
  uint left_at[DOWN], right_at[ACROSS];
  [[unroll]] for (uint i = 0u; i < DOWN; ++i) {
    left_at[i] = left == LEFT_BLOCKS ? stages[s].a + min(first_row + my_row + i, row_blocks - 1u) * depth * BLOCK
                                     : (my_row + i) * depth * BLOCK;
  }
  [[unroll]] for (uint j = 0u; j < ACROSS; ++j)
    right_at[j] = stages[s].weight + min(first_column + my_column + j, column_blocks - 1u) * depth * BLOCK;

  SumBlock sum[DOWN * ACROSS];
  [[unroll]] for (uint i = 0u; i < DOWN * ACROSS; ++i) sum[i] = no_sum();
  uint k = warp() / (down * across);
#ifdef MATRIX
  if (CHUNK > 0u) {
    STAGED_PRODUCT
  } else {
    uvec4 right_quads[AHEAD * ACROSS];
    LOAD_RIGHT
    // The weights are on their way while the left side is made.
    if (left != LEFT_BLOCKS) make_left(s, left, first_row, down * DOWN, step, first_column == 0u);
    // Blocks pass through two places of the warp's own in turn.
    const uint to = lane() / 2u * STAGED_PITCH + lane() % 2u;
    uint own = warp() * 2u * (DOWN + ACROSS) * STAGED_BLOCK;
    if (left != LEFT_BLOCKS) own = down * DOWN * depth * BLOCK + warp() * 2u * ACROSS * STAGED_BLOCK;
    while (k < depth) {
      uvec4 left_quads[AHEAD * DOWN];
      if (left == LEFT_BLOCKS) {
        [[unroll]] for (uint u = 0u; u < AHEAD; ++u) {
          if (k + u * deep >= depth) continue;
          [[unroll]] for (uint i = 0u; i < DOWN; ++i)
            left_quads[u * DOWN + i] = arena_quads[left_at[i] + (k + u * deep) * BLOCK + lane()];
        }
      }
      [[unroll]] for (uint u = 0u; u < AHEAD; ++u) {
        if (k + u * deep >= depth) continue;
        const uint base = own + u % 2u * (left == LEFT_BLOCKS ? DOWN + ACROSS : ACROSS) * STAGED_BLOCK;
        [[unroll]] for (uint j = 0u; j < ACROSS; ++j) tile[base + j * STAGED_BLOCK + to] = right_quads[u * ACROSS + j];
        if (left == LEFT_BLOCKS) {
          [[unroll]] for (uint i = 0u; i < DOWN; ++i)
            tile[base + (ACROSS + i) * STAGED_BLOCK + to] = left_quads[u * DOWN + i];
        }
        MEET_WARP
        LeftBlock l[DOWN];
        RightBlock r[ACROSS];
        [[unroll]] for (uint j = 0u; j < ACROSS; ++j) LOAD_STAGED_BY_COLUMN(r[j], base + j * STAGED_BLOCK);
        [[unroll]] for (uint i = 0u; i < DOWN; ++i) {
          if (left == LEFT_BLOCKS) {
            LOAD_STAGED_BY_ROW(l[i], base + (ACROSS + i) * STAGED_BLOCK);
          } else {
            LOAD_BY_ROW(l[i], tile, left_at[i] + (k + u * deep) * BLOCK);
          }
        }
        [[unroll]] for (uint i = 0u; i < DOWN; ++i)
          [[unroll]] for (uint j = 0u; j < ACROSS; ++j)
            sum[i * ACROSS + j] = MULTIPLY_ADD(l[i], r[j], sum[i * ACROSS + j]);
      }
      k += AHEAD * deep;
      LOAD_RIGHT
    }
  }
#else
  if (left != LEFT_BLOCKS) make_left(s, left, first_row, down * DOWN, step, first_column == 0u);
  for (; k < depth; k += deep) {
    [[unroll]] for (uint i = 0u; i < DOWN; ++i) {
      [[unroll]] for (uint j = 0u; j < ACROSS; ++j) {
        const uint l = left_at[i] + k * BLOCK, r = right_at[j] + k * BLOCK;
        if (left == LEFT_BLOCKS) {
          MULTIPLY_BY_COLUMN(sum[i * ACROSS + j], arena_four, l, weight_four, r)
        } else {
          MULTIPLY_BY_COLUMN(sum[i * ACROSS + j], tile_four, l, weight_four, r)
        }
      }
    }
  }
#endif

  // The sums of the warps that share a block are added up as they leave.
  const uint places = down * across;
  [[unroll]] for (uint i = 0u; i < DOWN; ++i) {
    [[unroll]] for (uint j = 0u; j < ACROSS; ++j) {
      if (deep > 1u || !OWN_BLOCKS) barrier();
      STORE_SUM(sum[i * ACROSS + j], sums, warp() * 256u);
      if (deep > 1u || !OWN_BLOCKS) barrier();
      if (deep == 1u && OWN_BLOCKS) MEET_WARP
      for (uint item = thread(); item < places * 64u; item += INVOCATIONS) {
        // Where nothing is added up a warp stores the block it made, and needs to wait for nobody.
        const uint from = deep == 1u && OWN_BLOCKS ? warp() : item / 64u;
        const uint four = deep == 1u && OWN_BLOCKS ? lane() + item / INVOCATIONS * 32u : item % 64u;
        const uint block = first_row + from / across * DOWN + i, column_block = first_column + from % across * ACROSS + j;
        vec4 v = vec4(0.0);
        for (uint d = 0u; d < deep; ++d) {
          const uint at = (d * places + from) * 256u + four * 4u;
          v += vec4(sums[at], sums[at + 1u], sums[at + 2u], sums[at + 3u]);
        }
        if (block < row_blocks && column_block < column_blocks)
          store_four(s, block, four / 4u, column_block * 16u + four % 4u * 4u, v, step);
      }
      if (deep == 1u && OWN_BLOCKS) MEET_WARP
    }
  }
}
