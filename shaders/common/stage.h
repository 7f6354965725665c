// SPDX-License-Identifier: MIT
// One piece of work of the fused kernels, written once for GLSL and C++: 4-byte scalars only. Activations and weights
// lie in fragments of 16×16 values.
#ifndef DIT_SHADERS_STAGE_H
#define DIT_SHADERS_STAGE_H

#include "shaders/common/stage_fields.h"

#ifdef __cplusplus
#include <cstddef>
#include <cstdint>
namespace dit::vulkan::params {
using uint = std::uint32_t;
#endif

// Stage::kind
#define STAGE_PRODUCT 0
#define STAGE_NORM 1       // fragments of norm(x)·(1+scale)+shift
#define STAGE_ATTENTION 2  // fragments of softmax(q kᵀ) v
#define STAGE_ACTIVATE 3   // in place on fragments
#define STAGE_ADD 4        // residual += gate · rows
#define STAGE_NOISE 5
#define STAGE_OVERLAP 6  // windows added up to the prediction
#define STAGE_SOLVE 7
#define STAGE_RGBA 8
#define STAGE_WINDOWS 9  // fragments of windows of the image
#define STAGE_BEGIN 10   // of icons that may have a sketch, which lies at `a`
#define STAGE_HOLD 11
#define STAGE_PROMPT 12  // fragments of a prompt's keys and values, which plain kernels make once an icon
#define STAGE_HEAD 13    // all layers of a convolutional head, on matrix hardware

// Stage::lhs: where the lhs of a product comes from
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
#define STORE_MAP 6        // an image: act(v + bias)
#define STORE_MAP_ADD 7    // the same, added to the image that was multiplied
#define STORE_PIXELS 8     // the map that STAGE_HEAD begins with: v + bias, the channels of a pixel beside each other

// Stage::exact: where no tile hangs over the edge, and nothing is checked against it
#define EXACT_RESULT 1
#define EXACT_LHS 2
#define EXACT_RHS 4

#define NO_PLACE 0xffffffffu
#define STAGES_LIMIT 256    // of a plan
#define VARIANTS_LIMIT 12   // kinds of stages in persistent.comp; dispatch.comp has one
#define STAGE_CONSTANTS 16  // word i of variant v is specialization constant STAGE_CONSTANTS + VARIANT_CONSTANTS·v + i
#define VARIANT_CONSTANTS 64

// Field by field as in stage_fields.h.
#define NO_FIELD(word, name)
#define FIELD(word, name) uint name;
struct Stage {
  STAGE_FIELDS(FIELD, FIELD, FIELD)
};
/// What differs between stages that share a pipeline: places, and how many rows there are.
struct StagePush {
  uint step;
  STAGE_FIELDS(NO_FIELD, NO_FIELD, FIELD)
};
#undef FIELD
#undef NO_FIELD

// Words of the control region
#define CONTROL_ARRIVED 0
#define CONTROL_FAILED 1
#define CONTROL_WORDS 16
// Words of the range region
#define RANGE_FIRST_STEP 0
#define RANGE_LAST_STEP 1
#define RANGE_FIRST_STAGE 2
#define RANGE_LAST_STAGE 3
#define RANGE_BARRIERS 4  // before the first step: a test of the barrier itself
#define RANGE_WORDS 8

struct PersistentPush {
  uint step;        // unused
  uint spin_limit;  // polls of a barrier before the workgroup gives up
};

#ifdef __cplusplus
#define FIELD(word, name) static_assert(offsetof(Stage, name) == 4 * word);
STAGE_FIELDS(FIELD, FIELD, FIELD)
#undef FIELD
static_assert(sizeof(Stage) == STAGE_WORDS * 4 && sizeof(Stage) % 16 == 0);
}  // namespace dit::vulkan::params
#endif
#endif
