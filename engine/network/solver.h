// SPDX-License-Identifier: MIT
// A solver is a table: (sampler, schedule, prediction, steps) -> one SolverRow a step. Pure maths, in f64.
// A new one is a name in Sampler, which users see, and its rows in solver.cpp; executors run any table.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "engine/model/model.h"

namespace dit {

enum class Sampler {
  euler,     ///< first order on the probability-flow ODE; the same rows as ddim
  ddim,      ///< Song et al. 2020, eta = 0
  ddpm,      ///< ancestral sampling with the exact posterior (Ho et al. 2020; Kingma et al. 2021 eq. 25)
  dpmpp_2m,  ///< DPM-Solver++(2M), Lu et al. 2022
  dpmpp_3m,  ///< DPM-Solver++(3M), Lu et al. 2022
  ipndm,     ///< Adams-Bashforth up to order 4 with Runge-free start (Zhang & Chen 2022)
};

/// Command-line and property name, e.g. "dpm++2m".
const char* name_of(Sampler sampler) noexcept;
/// errors  throws Error{settings} that lists the known names
Sampler sampler_from_name(std::string_view name);
/// All, in the order of the enumeration.
std::vector<Sampler> all_samplers();

/// Coefficients of one step; see op::Combine. The layout is what the shader reads: sixteen 4-byte words.
struct SolverRow {
  float from_x = 0;  ///< d0 = from_x·x + from_e·e
  float from_e = 1;
  float a = 0;
  float b[4] = {0, 0, 0, 0};
  float c = 0;
  float guidance = 1;
  /// Row of the first step of the icon that this is a step of: one table after another may lie in a request.
  std::uint32_t first = 0;
  // Levels of the sample before and after the step, see Level: for op::Begin and op::Hold.
  float before_alpha = 0, before_sigma = 1;
  float after_alpha = 1, after_sigma = 0;
  float padding[2] = {0, 0};
};
static_assert(sizeof(SolverRow) == 64);

/// alpha and sigma of x_t = alpha x_0 + sigma noise.
struct Level {
  double alpha = 0;
  double sigma = 1;
};

struct SolverStep {
  double t = 0;  ///< what the network is told (before time_scale)
  Level level;   ///< of the sample that enters the step
  SolverRow row;
};

/// Steps that are run of an icon that goes `strength` of the way (0 … 1) of `steps`: ⌈strength · steps⌉, no more than
/// there are trained steps on that way, and at least 1. errors  settings, if strength is out of its range
std::uint32_t steps_to_run(const ScheduleConfig& schedule, std::uint32_t steps, double strength);

/// The rows of one icon, guidance already in each row; `first` is 0.
/// steps     1 … 1000, and at most `timesteps` for variance-preserving schedules: those of an icon of noise alone
/// strength  0 … 1, of an icon that begins with a sketch: it starts where the sketch has kept 1 − strength of the way
///           (t = 1 − strength of a flow, step strength · timesteps − 1 of the trained ones), and goes the rest in
///           steps_to_run() equal steps. For multiples of 1/steps that is the end of the whole grid, as diffusers
///           and StreamDiffusion have it; between them nothing is rounded, so that icons change smoothly. 0 is one step
///           that gives back what it is given.
/// errors    throws Error{settings}
std::vector<SolverStep> solver_table(const ModelConfig& config, Sampler sampler, std::uint32_t steps, double guidance,
                                     double strength = 1);

}  // namespace dit
