// SPDX-License-Identifier: MIT
// Solver tables on problems whose exact answer is known.
#include "engine/network/solver.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <tuple>
#include <vector>

#include "engine/error.h"

namespace dit {
namespace {

ModelConfig config(ScheduleType type, Prediction prediction, std::uint32_t timesteps = 1000) {
  ModelConfig c;
  c.schedule.type = type;
  c.schedule.timesteps = timesteps;
  c.prediction = prediction;
  return c;
}

/// What an ideal network answers when the data is a normal distribution of mean m and deviation d: then x_t is normal
/// too and E[x_0 | x_t] is linear in x_t.
struct Gaussian {
  double mean = 0.3, deviation = 0.5;
  double data(double x, const Level& l) const {
    const double variance = deviation * deviation;
    return mean + l.alpha * variance / (l.alpha * l.alpha * variance + l.sigma * l.sigma) * (x - l.alpha * mean);
  }
  double predict(double x, const Level& l, const ModelConfig& c) const {
    const double x0 = data(x, l);
    const double noise = l.sigma > 0 ? (x - l.alpha * x0) / l.sigma : 0;
    switch (c.prediction) {
      case Prediction::epsilon:
        return noise;
      case Prediction::v:
        return c.schedule.type == ScheduleType::flow ? x0 - noise : l.alpha * noise - l.sigma * x0;
      case Prediction::x:
        break;
    }
    return x0;
  }
};

/// Follows the table as op::Combine does, without its random term.
double solve(const ModelConfig& c, const std::vector<SolverStep>& table, double x, const Gaussian& data) {
  std::vector<double> kept;
  for (const SolverStep& step : table) {
    const SolverRow& r = step.row;
    kept.push_back(r.from_x * x + r.from_e * data.predict(x, step.level, c));
    double next = r.a * x;
    for (std::size_t i = 0; i < 4 && i < kept.size(); ++i) next += r.b[i] * kept[kept.size() - 1 - i];
    x = next;
  }
  return x;
}

/// The probability-flow ODE carries x at level l to the data by keeping its quantile.
double exact(double x, const Level& l, const Gaussian& g) {
  const double deviation = std::sqrt(l.alpha * l.alpha * g.deviation * g.deviation + l.sigma * l.sigma);
  return g.mean + g.deviation * (x - l.alpha * g.mean) / deviation;
}

struct Combination {
  ScheduleType schedule;
  Prediction prediction;
};
const Combination combinations[] = {
    {ScheduleType::flow, Prediction::x},
    {ScheduleType::flow, Prediction::v},
    {ScheduleType::vp_cosine, Prediction::x},
    {ScheduleType::vp_cosine, Prediction::epsilon},
    {ScheduleType::vp_cosine, Prediction::v},
    {ScheduleType::vp_linear, Prediction::x},
    {ScheduleType::vp_linear, Prediction::epsilon},
    {ScheduleType::vp_linear, Prediction::v},
};

double error_of(const ModelConfig& c, Sampler sampler, std::uint32_t steps) {
  const Gaussian data;
  const auto table = solver_table(c, sampler, steps, 1);
  double worst = 0;
  for (const double x : {-1.5, -0.2, 0.9}) {
    worst = std::max(worst, std::fabs(solve(c, table, x, data) - exact(x, table[0].level, data)));
  }
  return worst;
}

TEST(Sampler, DeterministicSolversConvergeToTheExactAnswer) {
  for (const Combination& k : combinations) {
    const ModelConfig c = config(k.schedule, k.prediction);
    for (const Sampler s : {Sampler::euler, Sampler::ddim, Sampler::dpmpp_2m, Sampler::dpmpp_3m, Sampler::ipndm}) {
      EXPECT_LT(error_of(c, s, 500), 0.01)
          << name_of(s) << " schedule " << int(k.schedule) << " prediction " << int(k.prediction);
    }
  }
}

TEST(Sampler, HigherOrderBeatsEulerAtFewSteps) {
  for (const Combination& k : combinations) {
    const ModelConfig c = config(k.schedule, k.prediction);
    for (const Sampler s : {Sampler::dpmpp_2m, Sampler::dpmpp_3m, Sampler::ipndm}) {
      EXPECT_LT(error_of(c, s, 24), error_of(c, Sampler::euler, 24))
          << name_of(s) << " schedule " << int(k.schedule) << " prediction " << int(k.prediction);
    }
  }
}

TEST(Sampler, PredictionTypesAgree) {
  // The same ideal network in another dress gives the same path.
  for (const ScheduleType schedule : {ScheduleType::vp_cosine, ScheduleType::vp_linear}) {
    for (const Sampler s : {Sampler::euler, Sampler::dpmpp_2m, Sampler::ipndm}) {
      const Gaussian data;
      const auto end = [&](Prediction p) {
        const ModelConfig c = config(schedule, p);
        return solve(c, solver_table(c, s, 20, 1), 0.7, data);
      };
      EXPECT_NEAR(end(Prediction::x), end(Prediction::epsilon), 2e-3) << name_of(s);
      EXPECT_NEAR(end(Prediction::x), end(Prediction::v), 2e-3) << name_of(s);
    }
  }
}

TEST(Sampler, DdpmKeepsTheVariance) {
  // Variance of x through the chain, tracked in closed form because every row is affine: it must end at the data's.
  for (const Combination& k : combinations) {
    const ModelConfig c = config(k.schedule, k.prediction);
    const Gaussian data;
    const auto table = solver_table(c, Sampler::ddpm, 1000, 1);
    double mean = 0, variance = 1;
    for (const SolverStep& step : table) {
      const SolverRow& r = step.row;
      // predict is affine in x: slope and offset from two points.
      const double offset = data.predict(0, step.level, c), slope = data.predict(1, step.level, c) - offset;
      const double gain = r.a + r.b[0] * (r.from_x + r.from_e * slope);
      mean = gain * mean + r.b[0] * r.from_e * offset;
      variance = gain * gain * variance + r.c * r.c;
    }
    EXPECT_NEAR(mean, data.mean, 0.01) << "schedule " << int(k.schedule) << " prediction " << int(k.prediction);
    EXPECT_NEAR(std::sqrt(variance), data.deviation, 0.01)
        << "schedule " << int(k.schedule) << " prediction " << int(k.prediction);
    EXPECT_EQ(table.back().row.c, 0) << "the last step adds no noise";
  }
}

TEST(Sampler, FlowEulerIsTheTextbookStep) {
  const ModelConfig c = config(ScheduleType::flow, Prediction::x);
  const auto table = solver_table(c, Sampler::euler, 4, 2.5);
  for (std::size_t i = 0; i < 4; ++i) {
    const double t = static_cast<double>(i) / 4;
    EXPECT_EQ(table[i].t, t);
    EXPECT_FLOAT_EQ(table[i].row.a, static_cast<float>((0.75 - t) / (1 - t)));
    EXPECT_FLOAT_EQ(table[i].row.b[0], static_cast<float>(0.25 / (1 - t)));
    EXPECT_EQ(table[i].row.guidance, 2.5f);
  }
}

TEST(Sampler, VariancePreservingGridWalksTheTrainedSteps) {
  const auto table = solver_table(config(ScheduleType::vp_cosine, Prediction::epsilon, 32), Sampler::ddpm, 32, 1);
  for (std::size_t i = 0; i < 32; ++i) EXPECT_EQ(table[i].t, 31 - static_cast<double>(i));
}

TEST(Sampler, OneStepIsFiniteEverywhere) {
  for (const Combination& k : combinations) {
    for (const Sampler s : all_samplers()) {
      for (const std::uint32_t steps : {1u, 2u, 3u, 4u}) {
        for (const SolverStep& step : solver_table(config(k.schedule, k.prediction), s, steps, 1)) {
          const SolverRow& r = step.row;
          for (const float v : {r.from_x, r.from_e, r.a, r.b[0], r.b[1], r.b[2], r.b[3], r.c}) {
            EXPECT_TRUE(std::isfinite(v)) << name_of(s) << ", " << steps << " steps";
          }
        }
      }
    }
  }
}

const double strengths[] = {0, 1e-12, 1e-6, 0.001, 0.3, 0.5, 0.75, 0.999, 1};

TEST(Sampler, StrengthOneIsTheWholeTable) {
  for (const Combination& k : combinations) {
    for (const Sampler s : all_samplers()) {
      const ModelConfig c = config(k.schedule, k.prediction);
      const auto whole = solver_table(c, s, 7, 2), one = solver_table(c, s, 7, 2, 1);
      ASSERT_EQ(whole.size(), 7u);
      ASSERT_EQ(one.size(), 7u);
      for (std::size_t i = 0; i < 7; ++i) {
        EXPECT_EQ(whole[i].t, one[i].t);
        EXPECT_EQ(std::memcmp(&whole[i].row, &one[i].row, sizeof(SolverRow)), 0) << name_of(s) << " step " << i;
      }
      EXPECT_EQ(one[0].row.before_alpha, static_cast<float>(one[0].level.alpha));
    }
  }
}

TEST(Sampler, WholeStepsOfStrengthAreTheEndOfTheGrid) {
  for (const Combination& k : combinations) {
    const ModelConfig c = config(k.schedule, k.prediction);
    const auto whole = solver_table(c, Sampler::euler, 10, 1);
    for (std::size_t run = 1; run <= 10; ++run) {
      const auto part = solver_table(c, Sampler::euler, 10, 1, static_cast<double>(run) / 10);
      ASSERT_EQ(part.size(), run);
      for (std::size_t i = 0; i < run; ++i) EXPECT_NEAR(part[i].t, whole[10 - run + i].t, 1e-12) << run << " at " << i;
    }
  }
}

TEST(Sampler, FewerStepsAreRunOfLessStrength) {
  ScheduleConfig flow, vp;
  flow.type = ScheduleType::flow;
  vp.type = ScheduleType::vp_cosine;
  vp.timesteps = 50;
  for (const auto& [steps, strength, expected] : {std::tuple{4u, 0.0, 1u},
                                                  {4u, 1e-12, 1u},
                                                  {4u, 0.01, 1u},
                                                  {4u, 0.25, 1u},
                                                  {4u, 0.2500001, 2u},
                                                  {4u, 0.5, 2u},
                                                  {4u, 0.7, 3u},
                                                  {4u, 1.0, 4u},
                                                  {100u, 0.07, 7u},
                                                  {10u, 0.7, 7u}}) {
    EXPECT_EQ(steps_to_run(flow, steps, strength), expected) << steps << " of strength " << strength;
    EXPECT_EQ(solver_table(config(ScheduleType::flow, Prediction::x), Sampler::euler, steps, 1, strength).size(),
              expected);
  }
  // No trained step is taken twice.
  EXPECT_EQ(steps_to_run(vp, 50, 0.01), 1u);
  EXPECT_EQ(steps_to_run(vp, 50, 0.11), 5u);
  EXPECT_EQ(steps_to_run(vp, 50, 1), 50u);
  for (const double strength : {-0.1, 1.1, static_cast<double>(NAN)}) {
    EXPECT_THROW(steps_to_run(flow, 4, strength), Error);
    EXPECT_THROW(solver_table(config(ScheduleType::flow, Prediction::x), Sampler::euler, 4, 1, strength), Error);
  }
}

TEST(Sampler, StrengthSaysAtWhichLevelAnIconBegins) {
  for (const double strength : {0.2, 0.55, 0.9}) {
    const auto flow = solver_table(config(ScheduleType::flow, Prediction::x), Sampler::euler, 4, 1, strength);
    EXPECT_DOUBLE_EQ(flow[0].t, 1 - strength);
    EXPECT_FLOAT_EQ(flow[0].row.before_alpha, static_cast<float>(1 - strength));
    EXPECT_FLOAT_EQ(flow[0].row.before_sigma, static_cast<float>(strength));
    const auto vp = solver_table(config(ScheduleType::vp_linear, Prediction::x), Sampler::euler, 4, 1, strength);
    EXPECT_EQ(vp[0].t, 1000 * strength - 1);
    EXPECT_NEAR(vp[0].level.alpha * vp[0].level.alpha + vp[0].level.sigma * vp[0].level.sigma, 1, 1e-12);
  }
}

TEST(Sampler, StepsOfEveryStrengthAreFiniteAndChained) {
  for (const Combination& k : combinations) {
    for (const Sampler s : all_samplers()) {
      for (const double strength : strengths) {
        const auto table = solver_table(config(k.schedule, k.prediction), s, 5, 1, strength);
        for (std::size_t i = 0; i < table.size(); ++i) {
          const SolverRow& r = table[i].row;
          for (const float v : {r.from_x, r.from_e, r.a, r.b[0], r.b[1], r.b[2], r.b[3], r.c})
            EXPECT_TRUE(std::isfinite(v)) << name_of(s) << " of strength " << strength;
          // No step looks further back than the icon's first.
          for (std::size_t back = i + 1; back < 4; ++back) EXPECT_EQ(r.b[back], 0) << name_of(s) << " step " << i;
          if (i > 0) {
            EXPECT_LT(table[i].level.sigma, table[i - 1].level.sigma);
          }
          EXPECT_EQ(r.first, 0u);
          EXPECT_EQ(r.after_alpha, i + 1 < table.size() ? table[i + 1].row.before_alpha : 1);
          EXPECT_EQ(r.after_sigma, i + 1 < table.size() ? table[i + 1].row.before_sigma : 0);
        }
        if (strength != 0) continue;
        EXPECT_EQ(table[0].row.before_sigma, 0);
        EXPECT_EQ(solve(config(k.schedule, k.prediction), table, 0.7, Gaussian()), 0.7) << name_of(s);
      }
    }
  }
}

TEST(Sampler, DeterministicSolversConvergeFromASketchToo) {
  const Gaussian data;
  for (const Combination& k : combinations) {
    const ModelConfig c = config(k.schedule, k.prediction);
    for (const Sampler s : {Sampler::euler, Sampler::ddim, Sampler::dpmpp_2m, Sampler::dpmpp_3m, Sampler::ipndm}) {
      for (const double strength : {0.2, 0.55, 0.9}) {
        const auto table = solver_table(c, s, 500, 1, strength);
        for (const double x : {-1.5, -0.2, 0.9})
          EXPECT_NEAR(solve(c, table, x, data), exact(x, table[0].level, data), 0.01)
              << name_of(s) << " strength " << strength << " schedule " << int(k.schedule);
      }
    }
  }
}

TEST(Sampler, DdpmKeepsTheVarianceFromASketch) {
  const Gaussian data;
  for (const Combination& k : combinations) {
    const ModelConfig c = config(k.schedule, k.prediction);
    const auto table = solver_table(c, Sampler::ddpm, 1000, 1, 0.6);
    const Level& start = table[0].level;
    double mean = start.alpha * data.mean;
    double variance = start.alpha * start.alpha * data.deviation * data.deviation + start.sigma * start.sigma;
    for (const SolverStep& step : table) {
      const SolverRow& r = step.row;
      const double offset = data.predict(0, step.level, c), slope = data.predict(1, step.level, c) - offset;
      const double gain = r.a + r.b[0] * (r.from_x + r.from_e * slope);
      mean = gain * mean + r.b[0] * r.from_e * offset;
      variance = gain * gain * variance + r.c * r.c;
    }
    EXPECT_NEAR(mean, data.mean, 0.01) << "schedule " << int(k.schedule) << " prediction " << int(k.prediction);
    EXPECT_NEAR(std::sqrt(variance), data.deviation, 0.01) << "schedule " << int(k.schedule);
  }
}

TEST(Sampler, RefusesNonsense) {
  const ModelConfig c = config(ScheduleType::vp_linear, Prediction::x, 50);
  EXPECT_THROW(solver_table(c, Sampler::euler, 0, 1), Error);
  EXPECT_THROW(solver_table(c, Sampler::euler, 51, 1), Error);
  EXPECT_THROW(solver_table(c, Sampler::euler, 10, NAN), Error);
  EXPECT_THROW(solver_table(c, Sampler::euler, 10, -1), Error);
  EXPECT_THROW(sampler_from_name("heun"), Error);
  for (const Sampler s : all_samplers()) EXPECT_EQ(sampler_from_name(name_of(s)), s);
}

}  // namespace
}  // namespace dit
