// SPDX-License-Identifier: MIT
// The code of one slot of icon_matrix.comp.
#define S(member) SLOTTED(c_##member)
#include "shaders/fused/places.glsl"
#include "shaders/fused/matrix/tables.glsl"
#include "shaders/fused/matrix/lhs.glsl"
#include "shaders/fused/matrix/attention.glsl"
#include "shaders/fused/matrix/product.glsl"
#include "shaders/fused/overlap.glsl"
#include "shaders/fused/run.glsl"
#undef S
