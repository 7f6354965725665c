// SPDX-License-Identifier: MIT
// The code of one slot of icon_matrix.comp.
#define S(member) SLOTTED(c_##member)
#include "stage_places.glsl"
#include "lanes_tables.glsl"
#include "lanes_left.glsl"
#include "lanes_attention.glsl"
#include "lanes_product.glsl"
#include "stage_overlap.glsl"
#include "stage_run.glsl"
#undef S
