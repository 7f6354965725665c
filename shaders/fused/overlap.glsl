// SPDX-License-Identifier: MIT
// The sum of overlapping windows, and the solver's step that may follow it: an element an invocation. The maths are
// those of overlap_add.comp.

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
  const float z = row.c != 0.0 ? normals(batch_row, draw_of(row, row_at), element / 4u)[element % 4u] : 0.0;
  solve(row, i, P.batch * icon_elements(), sum, z, step);
}
