// SPDX-License-Identifier: MIT
// One tile of a stage that multiplies, prepares to, or adds up what was multiplied.

void run_stage(uint tile_at, uint step) {
  const uint kind = S(kind);
  if (kind == STAGE_PRODUCT) {
    product(tile_at, step);
  } else if (kind == STAGE_NORM) {
    norm_stage(tile_at, step);
  } else if (kind == STAGE_WINDOWS) {
    windows_stage(tile_at, step);
  } else if (kind == STAGE_ATTENTION) {
    attention_stage(tile_at);
  } else if (kind == STAGE_OVERLAP) {
#ifdef MATRIX
    await_others();
#endif
    overlap_stage(tile_at * INVOCATIONS + thread(), step);
  }
}
