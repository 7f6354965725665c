// SPDX-License-Identifier: MIT
#include "engine/network/solver.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>
#include <utility>

#include "engine/error.h"

namespace dit {
namespace {

constexpr std::array<std::pair<Sampler, const char*>, 6> sampler_names = {{{Sampler::euler, "euler"},
                                                                           {Sampler::ddim, "ddim"},
                                                                           {Sampler::ddpm, "ddpm"},
                                                                           {Sampler::dpmpp_2m, "dpm++2m"},
                                                                           {Sampler::dpmpp_3m, "dpm++3m"},
                                                                           {Sampler::ipndm, "ipndm"}}};

/// p·x + q·e for sample x and network output e.
struct Linear2 {
  double x = 0, e = 0;
};

/// One point of the time grid.
struct Point {
  double t = 0;
  Level level;
  /// Half the log signal-to-noise ratio; ±infinity at the ends.
  double lambda() const { return std::log(level.alpha / level.sigma); }
};

/// Cumulative product of 1 − beta over the trained grid: alpha_bar[t].
std::vector<double> alpha_bars(const ScheduleConfig& schedule) {
  const double steps = schedule.timesteps;
  const auto cosine = [&](double t) {
    const double c =
        std::cos((t / steps + schedule.cosine_offset) / (1 + schedule.cosine_offset) * std::numbers::pi / 2);
    return c * c;
  };
  std::vector<double> result(schedule.timesteps);
  double product = 1;
  for (std::uint32_t t = 0; t < schedule.timesteps; ++t) {
    double beta = 0;
    if (schedule.type == ScheduleType::vp_cosine) {
      beta = std::clamp(1 - cosine(t + 1) / cosine(t), 0.0, 0.999);
    } else {
      const double fraction = schedule.timesteps > 1 ? t / (steps - 1) : 0;
      beta = schedule.beta_start + (schedule.beta_end - schedule.beta_start) * fraction;
    }
    result[t] = product *= 1 - beta;
  }
  return result;
}

void expect_strength(double strength) {
  expect(strength >= 0 && strength <= 1, ErrorKind::settings, "strength: expected 0 to 1, found {}", strength);
}

/// As steps_to_run(), but 0 where there is nothing to go. On trained steps no two may be the same.
std::uint32_t steps_along_way(const ScheduleConfig& schedule, std::uint32_t steps, double strength) {
  constexpr double slack = 1e-9;  // 0.07 · 100 is a little more than 7
  const double most = schedule.type == ScheduleType::flow ? steps : std::floor(schedule.timesteps * strength + slack);
  return static_cast<std::uint32_t>(std::min(std::ceil(strength * steps - slack), most));
}

/// Points from noise, or a sketch's level, to data, one more than there are steps. Variance-preserving grids are
/// "trailing": they start at the last trained step (Lin et al. 2023, arXiv 2305.08891).
std::vector<Point> time_grid(const ScheduleConfig& schedule, std::uint32_t steps, double strength) {
  std::vector<Point> grid;
  if (schedule.type == ScheduleType::flow) {
    const double start = 1 - strength;
    for (std::uint32_t i = 0; i < steps; ++i) {
      const double t = start + strength * (static_cast<double>(i) / steps);
      grid.push_back({t, {t, 1 - t}});
    }
    grid.push_back({1, {1, 0}});
    return grid;
  }
  const std::vector<double> bars = alpha_bars(schedule);
  for (std::uint32_t i = 0; i < steps; ++i) {
    const double t = std::round(schedule.timesteps * strength * (1 - static_cast<double>(i) / steps)) - 1;
    const double bar = bars[static_cast<std::size_t>(t)];
    grid.push_back({t, {std::sqrt(bar), std::sqrt(1 - bar)}});
  }
  grid.push_back({-1, {1, 0}});
  return grid;
}

/// x_0 in terms of the sample and what the network predicts. v is alpha·noise − sigma·x_0 (Salimans & Ho 2022) on a
/// variance-preserving schedule and the velocity x_0 − noise on a flow.
Linear2 data_of(const ModelConfig& config, const Level& l) {
  switch (config.prediction) {
    case Prediction::epsilon:
      return {1 / l.alpha, -l.sigma / l.alpha};
    case Prediction::v:
      return config.schedule.type == ScheduleType::flow ? Linear2{1, l.sigma} : Linear2{l.alpha, -l.sigma};
    case Prediction::x:
      break;
  }
  return {0, 1};
}

/// The noise in terms of the sample and what the network predicts.
Linear2 noise_of(const ModelConfig& config, const Level& l) {
  if (config.prediction == Prediction::epsilon) return {0, 1};
  const Linear2 data = data_of(config, l);
  return {(1 - l.alpha * data.x) / l.sigma, -l.alpha * data.e / l.sigma};
}

void keep(SolverRow& row, const Linear2& kept) {
  row.from_x = static_cast<float>(kept.x);
  row.from_e = static_cast<float>(kept.e);
}

/// x' = a·x + b·x_0, kept in the form that stays finite: as noise for epsilon models (x_0 has 1/alpha there), else x_0.
void first_order(const ModelConfig& config, const Level& from, double a, double b, SolverRow& row) {
  if (config.prediction == Prediction::epsilon) {
    keep(row, {0, 1});
    row.a = static_cast<float>(a + b / from.alpha);
    row.b[0] = static_cast<float>(-b * from.sigma / from.alpha);
    return;
  }
  keep(row, data_of(config, from));
  row.a = static_cast<float>(a);
  row.b[0] = static_cast<float>(b);
}

SolverRow ddim_row(const ModelConfig& config, const Level& from, const Level& to) {
  SolverRow row;
  first_order(config, from, to.sigma / from.sigma, to.alpha - from.alpha * to.sigma / from.sigma, row);
  return row;
}

/// The exact posterior q(x_s | x_t, x_0) of any Gaussian path. source: Kingma et al. 2021, arXiv 2107.00630, eq. 25-26
/// Variance::beta keeps the mean and adds the noise of the whole step, but none in the last (Ho et al. 2020, §3.2).
SolverRow ddpm_row(const ModelConfig& config, const Level& from, const Level& to) {
  const double ratio = from.alpha / to.alpha;
  const double variance_from = from.sigma * from.sigma, variance_to = to.sigma * to.sigma;
  const double variance = variance_from - ratio * ratio * variance_to;
  SolverRow row;
  first_order(config, from, ratio * variance_to / variance_from, to.alpha * variance / variance_from, row);
  const bool whole = config.schedule.variance == ScheduleConfig::Variance::beta && variance_to > 0;
  row.c = static_cast<float>(std::sqrt(whole ? variance : variance * variance_to / variance_from));
  return row;
}

/// Weights of x_0(s), x_0(s−1), x_0(s−2) for DPM-Solver++ of order 2 or 3. source: Lu et al. 2022, arXiv 2211.01095, §4
SolverRow dpmpp_row(const ModelConfig& config, const std::vector<Point>& grid, std::uint32_t s, int order) {
  const Level &from = grid[s].level, &to = grid[s + 1].level;
  SolverRow row;
  keep(row, data_of(config, from));
  row.a = static_cast<float>(to.sigma / from.sigma);
  const double whole = to.alpha - from.alpha * to.sigma / from.sigma;  // alpha'·(1 − e^-h), finite at both ends
  const auto lambda = [&](std::uint32_t i) { return grid[i].lambda(); };
  const double h = lambda(s + 1) - lambda(s);
  const double r0 = s >= 1 ? (lambda(s) - lambda(s - 1)) / h : HUGE_VAL;
  const double r1 = s >= 2 ? (lambda(s - 1) - lambda(s - 2)) / h : HUGE_VAL;
  double b[3] = {whole, 0, 0};
  if (!std::isfinite(h) || !std::isfinite(r0)) {
    // First order: at the first step there is no history, and the ends have no finite log-SNR.
  } else if (order == 2 || !std::isfinite(r1)) {
    b[0] += whole / (2 * r0);
    b[1] -= whole / (2 * r0);
  } else {
    const double e = std::expm1(-h);
    const double c1 = to.alpha * (e / h + 1), c2 = -to.alpha * ((e + h) / (h * h) - 0.5);
    // D1 and D2 of the divided differences, spread over the three predictions.
    const double near = 1 / r0, far = 1 / r1, mix = r0 / (r0 + r1), second = 1 / (r0 + r1);
    const double along_near = c1 * (1 + mix) + c2 * second, along_far = -c1 * mix - c2 * second;
    b[0] += along_near * near;
    b[1] += along_far * far - along_near * near;
    b[2] -= along_far * far;
  }
  for (int i = 0; i < 3; ++i) row.b[i] = static_cast<float>(b[i]);
  return row;
}

/// Adams-Bashforth on the velocity (flow) or the noise (variance preserving). source: Zhang & Chen 2022,
/// arXiv 2204.13902; the coefficients are those of equal steps
SolverRow ipndm_row(const ModelConfig& config, const Level& from, const Level& to, std::uint32_t s) {
  static constexpr double weights[4][4] = {{1, 0, 0, 0},
                                           {3 / 2.0, -1 / 2.0, 0, 0},
                                           {23 / 12.0, -16 / 12.0, 5 / 12.0, 0},
                                           {55 / 24.0, -59 / 24.0, 37 / 24.0, -9 / 24.0}};
  SolverRow row;
  double step = 0;
  if (config.schedule.type == ScheduleType::flow) {
    const Linear2 data = data_of(config, from), noise = noise_of(config, from);
    keep(row, {data.x - noise.x, data.e - noise.e});
    row.a = 1;
    step = to.alpha - from.alpha;
  } else {
    keep(row, noise_of(config, from));
    row.a = static_cast<float>(to.alpha / from.alpha);
    step = to.sigma - from.sigma * to.alpha / from.alpha;
  }
  const double* w = weights[std::min<std::uint32_t>(s, 3)];
  for (int i = 0; i < 4; ++i) row.b[i] = static_cast<float>(step * w[i]);
  return row;
}

SolverRow solver_row(const ModelConfig& config, Sampler sampler, const std::vector<Point>& grid, std::uint32_t s) {
  const Level &from = grid[s].level, &to = grid[s + 1].level;
  switch (sampler) {
    case Sampler::ddpm:
      return ddpm_row(config, from, to);
    case Sampler::dpmpp_2m:
      return dpmpp_row(config, grid, s, 2);
    case Sampler::dpmpp_3m:
      return dpmpp_row(config, grid, s, 3);
    case Sampler::ipndm:
      return ipndm_row(config, from, to, s);
    case Sampler::euler:
    case Sampler::ddim:
      break;
  }
  return ddim_row(config, from, to);
}

/// One step, whose prediction nobody reads.
SolverStep step_in_place(const ScheduleConfig& schedule) {
  SolverStep step{schedule.type == ScheduleType::flow ? 1.0 : 0.0, {1, 0}, {}};
  keep(step.row, {1, 0});
  step.row.a = 1;
  return step;
}

std::vector<SolverStep> steps_along(const ModelConfig& config, Sampler sampler, const std::vector<Point>& grid) {
  std::vector<SolverStep> table;
  for (std::uint32_t s = 0; s + 1 < grid.size(); ++s)
    table.push_back({grid[s].t, grid[s].level, solver_row(config, sampler, grid, s)});
  return table;
}

/// A schedule may leave f64 (a product of many small numbers is 0) or f32.
bool is_finite(const SolverRow& row) {
  float sum = row.from_x + row.from_e + row.a + row.c;
  for (const float b : row.b) sum += b;
  return std::isfinite(sum);
}

}  // namespace

const char* name_of(Sampler sampler) noexcept {
  for (const auto& [value, name] : sampler_names) {
    if (value == sampler) return name;
  }
  return "?";
}

Sampler sampler_from_name(std::string_view name) {
  std::string known;
  for (const auto& [value, text] : sampler_names) {
    if (name == text) return value;
    known += (known.empty() ? "" : ", ") + std::string(text);
  }
  fail(ErrorKind::settings, "sampler: expected one of {}, found '{}'", known, name);
}

std::vector<Sampler> all_samplers() {
  std::vector<Sampler> all;
  for (const auto& [value, name] : sampler_names) all.push_back(value);
  return all;
}

std::uint32_t steps_to_run(const ScheduleConfig& schedule, std::uint32_t steps, double strength) {
  expect_strength(strength);
  return std::max(1u, steps_along_way(schedule, steps, strength));
}

std::vector<SolverStep> solver_table(const ModelConfig& config, Sampler sampler, std::uint32_t steps, double guidance,
                                     double strength) {
  expect(steps >= 1 && steps <= 1000, ErrorKind::settings, "steps: expected 1 to 1000, found {}", steps);
  expect(std::isfinite(guidance) && guidance >= 0 && guidance <= 100, ErrorKind::settings,
         "guidance: expected 0 to 100, found {}", guidance);
  expect_strength(strength);
  expect(config.schedule.type == ScheduleType::flow || steps <= config.schedule.timesteps, ErrorKind::settings,
         "steps: expected 1 to {} for this model, found {}", config.schedule.timesteps, steps);
  const std::uint32_t count = steps_along_way(config.schedule, steps, strength);
  std::vector<SolverStep> table = count > 0 ? steps_along(config, sampler, time_grid(config.schedule, count, strength))
                                            : std::vector<SolverStep>{step_in_place(config.schedule)};
  for (std::size_t s = 0; s < table.size(); ++s) {
    const Level after = s + 1 < table.size() ? table[s + 1].level : Level{1, 0};
    SolverRow& row = table[s].row;
    row.guidance = static_cast<float>(guidance);
    row.before_alpha = static_cast<float>(table[s].level.alpha);
    row.before_sigma = static_cast<float>(table[s].level.sigma);
    row.after_alpha = static_cast<float>(after.alpha);
    row.after_sigma = static_cast<float>(after.sigma);
    if (is_finite(row)) continue;
    fail(ErrorKind::wrong_format, "model '{}': its schedule has no finite step {} of {} for sampler '{}'",
         printable(config.name, name_length), s + 1, table.size(), name_of(sampler));
  }
  return table;
}

}  // namespace dit
