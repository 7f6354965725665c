// SPDX-License-Identifier: MIT
// What fused kernels share with plain ones, on the arena.
#define PREDICTION(at) arena_floats[P.a * 4u + (at)]
#define PICTURE(at) arena_floats[P.image * 4u + (at)]
#define HISTORY(at) arena_floats[P.history * 4u + (at)]
#define SKETCH(at) arena_quads[P.a + (at) / 4u][(at) % 4u]
#include "shaders/common/activation.glsl"
#include "shaders/common/noise.glsl"
#include "shaders/common/picture.glsl"
#include "shaders/common/sketch.glsl"
#include "shaders/common/solver.glsl"
