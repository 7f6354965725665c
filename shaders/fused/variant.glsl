// SPDX-License-Identifier: MIT
// The code of stages that share their constants, on matrix hardware: dispatch.comp has it once, persistent.comp once a
// variant. For this CMake makes variants.glsl, which gives each variant names of its own for what these files define
// at the start of a line.
STAGE_FIELDS(CONSTANT, SIZE, CONSTANT)
#include "shaders/fused/places.glsl"
#include "shaders/fused/matrix/tables.glsl"
#include "shaders/fused/context.glsl"
#include "shaders/fused/matrix/lhs.glsl"
#include "shaders/fused/matrix/attention.glsl"
#include "shaders/fused/matrix/epilogue.glsl"
#include "shaders/fused/matrix/product.glsl"
#include "shaders/fused/matrix/head.glsl"
#ifndef PERSISTENT
#include "shaders/fused/matrix/rows.glsl"
#endif
#include "shaders/fused/overlap.glsl"
#include "shaders/fused/run.glsl"
