// SPDX-License-Identifier: MIT
// What GLSL and shaders/khr agree on: the scope of a matrix is a specialization constant whose number says its use.
#ifndef SHADERS_COMMON_MATRIX_USES_H
#define SHADERS_COMMON_MATRIX_USES_H

#define MATRIX_USE_A 2000
#define MATRIX_USE_B 2001
#define MATRIX_USE_ACCUMULATOR 2002

#endif
