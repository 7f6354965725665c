// SPDX-License-Identifier: MIT
// The solver's table, and which of its rows an icon reads at a step. The including kernel defines SOLVER_BINDING.
#ifndef DIT_SHADERS_SOLVER_ROWS
#define DIT_SHADERS_SOLVER_ROWS

struct SolverRow {  // of engine/network/solver.h
  float from_x, from_e, a, b0, b1, b2, b3, c, guidance;
  uint first;
  float before_alpha, before_sigma, after_alpha, after_sigma, padding0, padding1;
};
layout(set = 0, binding = SOLVER_BINDING, std430) readonly buffer Solver { SolverRow solver[]; };               // [S]
layout(set = 0, binding = SOLVER_BINDING + 1, std430) readonly buffer SolverRows { uint solver_row[]; };  // [S,B]

/// Of the noise that a step adds: its place among those of its icon, and 1.
uint draw_of(SolverRow w, uint row) { return row - w.first + 1u; }

#endif
