// SPDX-License-Identifier: MIT
// The fields of a stage, written once: word of params::Stage, name. For stage.h, constants.glsl,
// emission/constants.cpp.
//   fixed   known when the pipeline is compiled; word i is specialization constant STAGE_CONSTANTS + i
//   size    fixed, and the length of arrays, which is 1 where no stage gives it
//   moving  differs between stages that share a pipeline, and is pushed; only whether it is NO_PLACE is a constant
#ifndef DIT_SHADERS_STAGE_FIELDS_H
#define DIT_SHADERS_STAGE_FIELDS_H

#define STAGE_WORDS 60
// A place is counted in quads of 16 bytes from the start of its buffer, or is NO_PLACE. Letters as in recorder.h.
// clang-format off
#define STAGE_FIELDS(fixed, size, moving)                                                                              \
  fixed(0, kind)               /* STAGE_… of stage.h */                                                                \
  moving(1, tiles)             /* pieces that a workgroup takes one at a time */                                       \
  fixed(2, lhs)                /* LHS_… of stage.h */                                                                  \
  fixed(3, store)              /* STORE_… of stage.h */                                                                \
  fixed(4, tiles_across)       /* tile = down · tiles_across + across */                                               \
  fixed(5, subgroups_down)     /* how the subgroups of a workgroup share a tile */                                     \
  fixed(6, subgroups_across)                                                                                           \
  fixed(7, subgroups_deep)     /* along the depth of the product */                                                    \
  moving(8, row_fragments)     /* ⌈T/16⌉ a row of the batch */                                                         \
  fixed(9, depth_fragments)                                                                                            \
  fixed(10, column_fragments)                                                                                          \
  fixed(11, columns)           /* of the result that are real */                                                       \
  moving(12, a)                /* lhs: fragments or rows */                                                            \
  moving(13, weight)           /* rhs: fragments [column_fragments, depth_fragments] in the weight buffer */           \
  moving(14, bias)             /* f32 in the weight buffer, or NO_PLACE */                                             \
  moving(15, y)                /* result */                                                                            \
  moving(16, rows)             /* R */                                                                                 \
  fixed(17, tokens)            /* T */                                                                                 \
  fixed(18, token_fragments)   /* ⌈T/16⌉ */                                                                            \
  fixed(19, width)             /* real values of a row that is normed */                                               \
  moving(20, table)            /* modulation table, in floats */                                                       \
  fixed(21, table_columns)                                                                                             \
  moving(22, shift)            /* first column */                                                                      \
  moving(23, scale)            /* first column */                                                                      \
  moving(24, gate)             /* first column, or NO_PLACE */                                                         \
  fixed(25, aligned)           /* whether shift, scale, gate and table_columns are multiples of 4 */                   \
  fixed(26, activation)        /* as in activation.glsl */                                                             \
  fixed(27, eps_bits)          /* float bits */                                                                        \
  fixed(28, eps_outside)       /* of the root */                                                                       \
  fixed(29, centred)           /* layer norm; else RMS norm */                                                         \
  fixed(30, divisor)           /* of the sum of squares */                                                             \
  moving(31, position)         /* f32 rows in the weight buffer */                                                     \
  fixed(32, heads)             /* N */                                                                                 \
  fixed(33, head_fragments)    /* ⌈D/16⌉ */                                                                            \
  fixed(34, head_dim)          /* D */                                                                                 \
  fixed(35, head_group)        /* heads worked on at a time */                                                         \
  moving(36, qk_weight)        /* f32 [D] in the weight buffer: q_norm · k_norm, or NO_PLACE */                        \
  fixed(37, score_scale)       /* float bits: 1/√D */                                                                  \
  moving(38, batch)            /* B */                                                                                 \
  fixed(39, channels)          /* of a picture; of attention L, 0 without keys of a prompt: see context.glsl */        \
  fixed(40, height)            /* of a picture; of attention K */                                                      \
  fixed(41, image_width)                                                                                               \
  fixed(42, patch_size)                                                                                                \
  fixed(43, window_size)                                                                                               \
  moving(44, image)            /* x; of attention keys and values of the prompts */                                    \
  moving(45, history)          /* of the solver; of attention f32 [D] in the weight buffer: q_norm alone */            \
  fixed(46, guided)                                                                                                    \
  fixed(47, noisy)             /* the windows of icons at their first step are noise */                                \
  fixed(48, premultiplied)                                                                                             \
  fixed(49, round_down)                                                                                                \
  fixed(50, scratch)           /* where a product with LHS_ATTENTION keeps q and probabilities: quads into the tile */ \
  fixed(51, turned_from)       /* first fragment of columns that lies transposed (v of attention), or NO_PLACE */      \
  /* On matrix hardware, in fragments: what a subgroup makes of a product, the depth that it loads at a time, and its  \
     share of an lhs made on the way */                                                                                \
  size(52, down)                                                                                                       \
  size(53, across)                                                                                                     \
  size(54, depth_step)                                                                                                 \
  size(55, lhs_share)                                                                                                  \
  moving(56, variant)          /* which code of persistent.comp; NO_PLACE: what runs all kinds that do not multiply */ \
  fixed(57, exact)             /* EXACT_… of stage.h */                                                                \
  fixed(58, by_column)         /* whether tiles below each other are numbered one after the other, not those beside */ \
  moving(59, normed)           /* where a product that fills rows puts the norm of them, or NO_PLACE */
// clang-format on

#endif
