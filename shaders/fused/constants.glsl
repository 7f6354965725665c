// SPDX-License-Identifier: MIT
// A stage as specialization constants: word i of Stage is constant STAGE_CONSTANTS + 64·slot + i, so that every size, choice
// and bound is known when the pipeline is compiled. A slot without constants is of no kind.
#define STAGE_CONSTANT(slot, i, name) \
  layout(constant_id = STAGE_CONSTANTS + 64 * slot + i) const uint c_##name##_of_##slot = NO_PLACE;
#define STAGE_SIZE(slot, i, name) \
  layout(constant_id = STAGE_CONSTANTS + 64 * slot + i) const uint c_##name##_of_##slot = 1u;  // of arrays
#define STAGE_SLOT(slot) \
  STAGE_CONSTANT(slot, 0, kind) \
  STAGE_CONSTANT(slot, 1, tiles) \
  STAGE_CONSTANT(slot, 2, lhs) \
  STAGE_CONSTANT(slot, 3, store) \
  STAGE_CONSTANT(slot, 4, tiles_across) \
  STAGE_CONSTANT(slot, 5, subgroups_down) \
  STAGE_CONSTANT(slot, 6, subgroups_across) \
  STAGE_CONSTANT(slot, 7, subgroups_deep) \
  STAGE_CONSTANT(slot, 8, row_fragments) \
  STAGE_CONSTANT(slot, 9, depth_fragments) \
  STAGE_CONSTANT(slot, 10, column_fragments) \
  STAGE_CONSTANT(slot, 11, columns) \
  STAGE_CONSTANT(slot, 12, a) \
  STAGE_CONSTANT(slot, 13, weight) \
  STAGE_CONSTANT(slot, 14, bias) \
  STAGE_CONSTANT(slot, 15, y) \
  STAGE_CONSTANT(slot, 16, rows) \
  STAGE_CONSTANT(slot, 17, tokens) \
  STAGE_CONSTANT(slot, 18, token_fragments) \
  STAGE_CONSTANT(slot, 19, width) \
  STAGE_CONSTANT(slot, 20, table) \
  STAGE_CONSTANT(slot, 21, table_columns) \
  STAGE_CONSTANT(slot, 22, shift) \
  STAGE_CONSTANT(slot, 23, scale) \
  STAGE_CONSTANT(slot, 24, gate) \
  STAGE_CONSTANT(slot, 25, aligned) \
  STAGE_CONSTANT(slot, 26, activation) \
  STAGE_CONSTANT(slot, 27, eps_bits) \
  STAGE_CONSTANT(slot, 28, eps_outside) \
  STAGE_CONSTANT(slot, 29, centred) \
  STAGE_CONSTANT(slot, 30, divisor) \
  STAGE_CONSTANT(slot, 31, position) \
  STAGE_CONSTANT(slot, 32, heads) \
  STAGE_CONSTANT(slot, 33, head_fragments) \
  STAGE_CONSTANT(slot, 34, head_dim) \
  STAGE_CONSTANT(slot, 35, head_group) \
  STAGE_CONSTANT(slot, 36, qk_weight) \
  STAGE_CONSTANT(slot, 37, score_scale) \
  STAGE_CONSTANT(slot, 38, batch) \
  STAGE_CONSTANT(slot, 39, channels) \
  STAGE_CONSTANT(slot, 40, height) \
  STAGE_CONSTANT(slot, 41, image_width) \
  STAGE_CONSTANT(slot, 42, patch_size) \
  STAGE_CONSTANT(slot, 43, window_size) \
  STAGE_CONSTANT(slot, 44, image) \
  STAGE_CONSTANT(slot, 45, history) \
  STAGE_CONSTANT(slot, 46, guided) \
  STAGE_CONSTANT(slot, 47, noisy) \
  STAGE_CONSTANT(slot, 48, premultiplied) \
  STAGE_CONSTANT(slot, 49, round_down) \
  STAGE_CONSTANT(slot, 50, scratch) \
  STAGE_CONSTANT(slot, 51, turned_from) \
  STAGE_SIZE(slot, 52, down) \
  STAGE_SIZE(slot, 53, across) \
  STAGE_SIZE(slot, 54, depth_step) \
  STAGE_SIZE(slot, 55, lhs_share) \
  STAGE_CONSTANT(slot, 56, variant) \
  STAGE_CONSTANT(slot, 57, exact) \
  STAGE_CONSTANT(slot, 58, by_column) \
  STAGE_CONSTANT(slot, 59, normed)
