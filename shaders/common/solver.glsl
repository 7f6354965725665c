// SPDX-License-Identifier: MIT
// The solver's step of an icon by its row w of the solver's table, e = prediction, z = normals of draw_of(w):
//   d0 = w.from_x·x + w.from_e·e          kept in the history, at step mod 4
//   x  ← w.a·x + Σᵢ w.b[i]·dᵢ + w.c·z     dᵢ = what was kept at step − i
// A term whose coefficient is 0 is not read, so that stale history never leaks in. After noise.glsl; the including
// kernel defines SOLVER_BINDING, and PICTURE(at), HISTORY(at) and PREDICTION(at), where element `at` of these is.
#include "shaders/common/solver_rows.glsl"

// Macros, since they serve an element and a pair of neighbours, and a term that does not count is not read.
#define ADD_TERM(sum, factor, value) \
  if ((factor) != 0.0) sum += (factor) * (value);
#define ADD_DIFFERENCE(sum, w, x, e) ADD_TERM(sum, w.from_x, x) ADD_TERM(sum, w.from_e, e)
#define ADD_PRESENT(sum, w, x, d) ADD_TERM(sum, w.a, x) ADD_TERM(sum, w.b0, d)
#define ADD_PAST(sum, w, KEPT) ADD_TERM(sum, w.b1, KEPT(1u)) ADD_TERM(sum, w.b2, KEPT(2u)) ADD_TERM(sum, w.b3, KEPT(3u))

// Where in the history element `at` of `all` is kept at a step.
#define KEPT_AT(step, all, at) (((step) & 3u) * (all) + (at))

/// The step of element `at` of the `all` of a batch.
void solve(SolverRow w, uint at, uint all, float e, float z, uint step) {
  const float x = PICTURE(at);
  float d = 0.0, result = 0.0;
  ADD_DIFFERENCE(d, w, x, e)
  HISTORY(KEPT_AT(step, all, at)) = d;
#define KEPT(back) HISTORY(KEPT_AT(step - back, all, at))
  ADD_PRESENT(result, w, x, d)
  ADD_PAST(result, w, KEPT)
  ADD_TERM(result, w.c, z)
#undef KEPT
  PICTURE(at) = result;
}

/// The step of four elements of an icon, number i of all in `batch` icons of `elements`, from the prediction:
/// w.guidance·e[b] + (1 − w.guidance)·e[B + b] if guided.
void solve_four(uint i, uint batch, uint elements, uint guided, uint step) {
  const uint quads = (elements + 3u) / 4u, icon = i / quads, quad = i % quads, all = batch * elements;
  if (icon >= batch) return;
  const uint row = solver_row[step * batch + icon];
  const SolverRow w = solver[row];
  vec4 z = vec4(0.0);
  if (w.c != 0.0) z = normals(icon, draw_of(w, row), quad);
  for (uint j = 0u; j < 4u && quad * 4u + j < elements; ++j) {
    const uint at = icon * elements + quad * 4u + j;
    float e = 0.0;
    if (guided == 0u) {
      e = PREDICTION(at);
    } else {
      ADD_TERM(e, w.guidance, PREDICTION(at))
      ADD_TERM(e, 1.0 - w.guidance, PREDICTION(all + at))
    }
    solve(w, at, all, e, z[j], step);
  }
}
