// SPDX-License-Identifier: MIT
// One piece of work of stage.comp and icon.comp, written once for GLSL and C++: 4-byte scalars only.
// Activations and weights lie in blocks of 16×16 values; a place is counted in quads of 16 bytes from the start of its
// buffer. Letters as in engine/network/recorder.h.
#ifndef DIT_SHADERS_STAGE_H
#define DIT_SHADERS_STAGE_H

#ifdef __cplusplus
#include <cstdint>
namespace dit::vulkan::params {
using uint = std::uint32_t;
#endif

// Stage::kind
#define STAGE_PRODUCT 0
#define STAGE_NORM 1       // blocks of norm(x)·(1+scale)+shift
#define STAGE_ATTENTION 2  // blocks of softmax(q kᵀ) v
#define STAGE_ACTIVATE 3   // in place on blocks
#define STAGE_ADD 4        // residual += gate · rows
#define STAGE_NOISE 5
#define STAGE_OVERLAP 6  // windows added up to the prediction
#define STAGE_SOLVE 7
#define STAGE_RGBA 8
#define STAGE_WINDOWS 9  // blocks of windows of the image

// Stage::lhs: where the left side of a product comes from
#define LHS_FRAGMENTS 0
#define LHS_NORM 1       // rows, normed and modulated on the way
#define LHS_WINDOWS 2    // windows of the image
#define LHS_ATTENTION 3  // attention of q, k and v, computed on the way

// Stage::store: where a product goes
#define STORE_FRAGMENTS 0  // act(v + bias)
#define STORE_ROWS 1       // v + bias
#define STORE_ADD 2        // rows += gate · (v + bias)
#define STORE_EMBED 3      // rows = v + bias + position
#define STORE_IMAGE 4      // the prediction, unpatchified
#define STORE_SOLVE 5      // the solver's step with v + bias as the prediction

// Stage::exact: where no tile hangs over the edge, and nothing is checked against it
#define EXACT_RESULT 1
#define EXACT_LHS 2
#define EXACT_RHS 4

#define NO_PLACE 0xffffffffu
#define STAGES_LIMIT 256  // of a plan
#define STAGE_WORDS 60
#define STAGE_CONSTANTS 16  // word i of Stage is specialization constant 16 + i of stage.comp
#define VARIANTS_LIMIT 12   // kinds of stages in icon_matrix.comp: word i of slot s is constant 16 + 64 s + i

struct Stage {
  uint kind;
  uint tiles;  // pieces that a workgroup takes one at a time
  uint lhs;
  uint store;
  uint tiles_across;    // tile = down · tiles_across + across
  uint subgroups_down;  // how the warps of a workgroup share a tile
  uint subgroups_across;
  uint subgroups_deep;   // along the sum
  uint row_fragments;    // ⌈T/16⌉ a row of the batch
  uint depth_fragments;  // of the sum
  uint column_fragments;
  uint columns;          // of the result that are real
  uint a;                // left side: blocks or rows
  uint weight;           // blocks [column_fragments, depth_fragments], in the weight buffer
  uint bias;             // f32 in the weight buffer, or NO_PLACE
  uint y;                // result
  uint rows;             // R
  uint tokens;           // T
  uint token_fragments;  // ⌈T/16⌉
  uint width;            // real values of a row that is normed
  uint table;            // modulation table, in floats
  uint table_columns;
  uint shift;
  uint scale;
  uint gate;     // or NO_PLACE
  uint aligned;  // whether shift, scale, gate and table_columns are multiples of 4
  uint activation;
  uint eps_bits;  // float bits
  uint eps_outside;
  uint centred;
  uint divisor;   // of the sum of squares
  uint position;  // f32 rows in the weight buffer
  uint heads;
  uint head_fragments;  // ⌈D/16⌉
  uint head_dim;
  uint head_group;   // heads worked on at a time
  uint qk_weight;    // f32 [D] in the weight buffer: q_norm · k_norm, or NO_PLACE
  uint score_scale;  // float bits: 1/√D
  uint batch;
  uint channels;
  uint height;
  uint image_width;
  uint patch_size;
  uint window_size;
  uint image;  // x
  uint history;
  uint guided;
  uint noisy;  // the windows of icons at their first step are noise
  uint premultiplied;
  uint round_down;
  uint scratch;      // where a product with LHS_ATTENTION keeps q and probabilities: quads into the tile
  uint turned_from;  // first block of columns whose blocks lie with rows and columns swapped (v of attention), or
                     // NO_PLACE
  // On matrix hardware: blocks that a warp makes of a product, of the sum that it loads at a time, of a left side that
  // it makes on the way.
  uint down;
  uint across;
  uint depth_step;
  uint lhs_share;
  uint variant;  // which code of icon_matrix.comp; NO_PLACE: what runs every kind that multiplies nothing
  uint exact;
  uint by_column;  // whether tiles below each other are numbered one after the other, not those beside each other
  uint normed;     // where a product that fills rows puts the norm of them, or NO_PLACE
};

// Words of the control region
#define CONTROL_ARRIVED 0
#define CONTROL_FAILED 1
#define CONTROL_WORDS 16
// Words of the range region
#define RANGE_FIRST_STEP 0
#define RANGE_LAST_STEP 1
#define RANGE_FIRST_STAGE 2
#define RANGE_LAST_STAGE 3
#define RANGE_BARRIERS 4  // met before the first step: a test of the barrier itself
#define RANGE_WORDS 8

/// What differs between stages that share a pipeline: places, and how many rows there are. NO_PLACE stays a constant.
struct StagePush {
  uint step;
  uint tiles;
  uint row_fragments;
  uint rows;
  uint batch;
  uint a;
  uint y;
  uint weight;
  uint bias;
  uint position;
  uint qk_weight;
  uint table;
  uint shift;
  uint scale;
  uint gate;
  uint image;
  uint history;
  uint normed;
};

struct PersistentPush {
  uint step;        // unused
  uint spin_limit;  // polls of a barrier before the workgroup gives up
};

#ifdef __cplusplus
static_assert(sizeof(Stage) == STAGE_WORDS * 4 && sizeof(Stage) % 16 == 0);
}  // namespace dit::vulkan::params
#endif
#endif
