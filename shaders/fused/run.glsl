// SPDX-License-Identifier: MIT
// One tile of a stage that multiplies, prepares to, or adds up what was multiplied.

void run_stage(uint tile_at, uint step) {
  const uint kind = S(kind);
#ifdef PRODUCT_OF_ROWS
  if (S(normed) != NO_PLACE) {
    product_of_rows(tile_at, step);
    return;
  }
#endif
  if (kind == STAGE_PRODUCT) {
    product(tile_at, step);
  } else if (kind == STAGE_NORM) {
    norm_stage(tile_at, step);
  } else if (kind == STAGE_WINDOWS) {
    windows_stage(tile_at, step);
  } else if (kind == STAGE_ATTENTION) {
    attention_stage(tile_at, step);
#ifdef MATRIX
  } else if (kind == STAGE_HEAD) {
    head_stage(tile_at);
#endif
  } else if (kind == STAGE_OVERLAP) {
    wait_for_others();
    overlap_stage(tile_at * INVOCATIONS + local_index(), step);
  }
}
