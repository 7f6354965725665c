// SPDX-License-Identifier: MIT
// The sum of overlapping windows, and the solver's step that may follow it: an element an invocation. The maths are those of
// overlap_add.comp and combine.comp.

/// The solver's step of one element; see combine.comp. A term whose coefficient is 0 is not read.
float solved(SolverRow w, uint at, float e, float z, uint step) {
  const uint x_at = P.image * 4u + at, history = P.history * 4u + at;
  const uint slot = P.batch * icon_elements();
  const float x = arena_floats[x_at];
  float d = 0.0;
  if (w.from_x != 0.0) d += w.from_x * x;
  if (w.from_e != 0.0) d += w.from_e * e;
  arena_floats[history + (step & 3u) * slot] = d;
  float result = 0.0;
  if (w.a != 0.0) result += w.a * x;
  if (w.b0 != 0.0) result += w.b0 * d;
  if (w.b1 != 0.0) result += w.b1 * arena_floats[history + ((step - 1u) & 3u) * slot];
  if (w.b2 != 0.0) result += w.b2 * arena_floats[history + ((step - 2u) & 3u) * slot];
  if (w.b3 != 0.0) result += w.b3 * arena_floats[history + ((step - 3u) & 3u) * slot];
  if (w.c != 0.0) result += w.c * z;
  arena_floats[x_at] = result;
  return result;
}

/// Grid lines x … y−1 whose windows cover pixel `at` of an axis with `count` patches.
uvec2 cover(uint at, uint border, uint count) {
  const uint patch_size = S(patch_size), reach = patch_size + border;
  return uvec2(at >= reach ? (at - reach) / patch_size + 1u : 0u, min(count, (at + border) / patch_size + 1u));
}

/// The prediction, or the solver's step from it.
void overlap_stage(uint i, uint step) {
  const uint w = S(image_width), h = S(height), channels = S(channels);
  if (i >= P.rows * icon_elements()) return;
  const uint x = i % w, y = i / w % h, c = i / (w * h) % channels, batch_row = i / (w * h * channels);
  const uint patch_size = S(patch_size), window = S(window_size), border = (window - patch_size) / 2u;
  const uint wide = w / patch_size;
  const uvec2 rows = cover(y, border, h / patch_size), columns = cover(x, border, wide);
  // As many windows as can cover a pixel, so that all loads are under way at once; one that does not adds 0.
  const uint most = (window + patch_size - 1u) / patch_size;
  float sum = 0.0;
  [[unroll]] for (uint down = 0u; down < most; ++down) {
    [[unroll]] for (uint across = 0u; across < most; ++across) {
      const uint gy = min(rows.x + down, rows.y - 1u), gx = min(columns.x + across, columns.y - 1u);
      const uint row = batch_row * S(token_fragments) * 16u + gy * wide + gx;
      const uint line = y + border - gy * patch_size, column = x + border - gx * patch_size;
      const float v = arena_floats[P.a * 4u + in_row(row, (c * window + line) * window + column, S(depth_fragments))];
      sum += rows.x + down < rows.y && columns.x + across < columns.y ? v : 0.0;
    }
  }
  if (S(store) != STORE_SOLVE) {
    arena_floats[P.y * 4u + i] = sum;
    return;
  }
  const uint element = i % icon_elements(), row_at = solver_row[step * P.batch + batch_row];
  const SolverRow row = solver[row_at];
  solved(row, i, sum, row.c != 0.0 ? normals(batch_row, row_at + 1u, element / 4u)[element % 4u] : 0.0, step);
}
