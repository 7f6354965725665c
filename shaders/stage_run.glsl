// SPDX-License-Identifier: MIT
// One tile of a stage, whatever its kind.

void run_stage(uint tile_at, uint step) {
  const uint kind = S.kind, at = tile_at * INVOCATIONS + thread();
  if (kind == STAGE_PRODUCT) {
    product(tile_at, step);
  } else if (kind == STAGE_NORM) {
    norm_rows(tile_at, 1u, step, false);
  } else if (kind == STAGE_WINDOWS) {
    window_rows(tile_at, 1u, step, false, true);
  } else if (kind == STAGE_ATTENTION) {
    const uint groups = S.heads / S.head_group;
    attend(tile_at / groups, tile_at % groups * S.head_group, false);
  } else if (kind == STAGE_ACTIVATE) {
    activate_stage(at);
  } else if (kind == STAGE_ADD) {
    add_stage(at, step);
  } else if (kind == STAGE_NOISE) {
    noise_stage(at, step);
  } else if (kind == STAGE_OVERLAP) {
    overlap_stage(at);
  } else if (kind == STAGE_SOLVE) {
    solve_stage(at, step);
  } else if (kind == STAGE_RGBA) {
    rgba_stage(at);
  }
}
