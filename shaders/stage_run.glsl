// SPDX-License-Identifier: MIT
// One tile of a stage, whatever its kind.

void run_stage(uint s, uint tile_at, uint step) {
  const uint kind = KIND == STAGE_ANY ? stages[s].kind : KIND, at = tile_at * INVOCATIONS + thread();
  if (kind == STAGE_PRODUCT) {
    product(s, tile_at, step);
  } else if (kind == STAGE_NORM) {
    norm_rows(s, tile_at, 1u, step, false);
  } else if (kind == STAGE_WINDOWS) {
    window_rows(s, tile_at, 1u, step, false, true);
  } else if (kind == STAGE_ATTENTION) {
    const uint groups = stages[s].heads / stages[s].head_group;
    attend(s, tile_at / groups, tile_at % groups * stages[s].head_group, false);
  } else if (kind == STAGE_ACTIVATE) {
    activate_stage(s, at);
  } else if (kind == STAGE_ADD) {
    add_stage(s, at, step);
  } else if (kind == STAGE_NOISE) {
    noise_stage(s, at, step);
  } else if (kind == STAGE_OVERLAP) {
    overlap_stage(s, at);
  } else if (kind == STAGE_SOLVE) {
    solve_stage(s, at, step);
  } else if (kind == STAGE_RGBA) {
    rgba_stage(s, at);
  }
}
