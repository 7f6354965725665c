// SPDX-License-Identifier: MIT
// The code of one variant of persistent.comp: stages that share their constants. CMake makes variants.glsl, which
// includes this once a variant, and gives each of them names of its own for what these files define at the start of a
// line.
STAGE_FIELDS(CONSTANT, SIZE, CONSTANT)
#include "shaders/fused/places.glsl"
#include "shaders/fused/matrix/tables.glsl"
#include "shaders/fused/matrix/lhs.glsl"
#include "shaders/fused/matrix/attention.glsl"
#include "shaders/fused/matrix/epilogue.glsl"
#include "shaders/fused/matrix/product.glsl"
#include "shaders/fused/overlap.glsl"
#include "shaders/fused/run.glsl"
