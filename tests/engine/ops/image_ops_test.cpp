// SPDX-License-Identifier: MIT
// The ops of whole images: patches in and out, noise, the solver's step, pixels.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "engine/network/noise.h"
#include "tests/engine/ops/ops_test.h"

namespace dit::test {
namespace {

/// Windows of the patch's own size, or such that reach into one neighbour, over several, and far over the image's edge.
struct ImageShape {
  PlanShape plan;
  Shape image;  // [_,C,H,W]
  std::uint32_t patch, window, dim;
};

const ImageShape image_shapes[] = {
    {{.batch = 1}, {1, 3, 1, 1}, 1, 1, 1},
    {{.batch = 1}, {1, 4, 2, 6}, 2, 2, 3},
    {{.batch = 2, .conditions = 2, .steps = 3, .guided = true}, {1, 4, 12, 8}, 4, 4, 24},
    {{.batch = 3, .conditions = 2, .steps = 2}, {1, 3, 21, 15}, 3, 3, 40},
    {{.batch = 1, .conditions = 2, .steps = 1, .guided = true}, {1, 4, 64, 64}, 8, 8, 384},
};

const ImageShape window_shapes[] = {
    {{.batch = 1}, {1, 3, 1, 1}, 1, 3, 2},
    {{.batch = 1}, {1, 4, 2, 6}, 2, 4, 3},
    {{.batch = 2, .conditions = 2, .steps = 3, .guided = true}, {1, 4, 12, 8}, 4, 6, 24},
    {{.batch = 3, .conditions = 2, .steps = 2}, {1, 3, 21, 15}, 3, 11, 40},
    {{.batch = 1}, {1, 3, 4, 6}, 2, 22, 5},
    {{.batch = 1, .conditions = 2, .steps = 1, .guided = true}, {1, 4, 64, 64}, 8, 12, 128},
};

void check_embed(const std::string& kind, DType dtype, const ImageShape& s) {
  const std::uint32_t tokens = s.image[2] / s.patch * (s.image[3] / s.patch);
  const std::uint32_t features = s.image[1] * s.window * s.window;
  OpCase c(s.plan, dtype, s.image);
  c.add(op::Embed{.x = c.x(),
                  .weight = c.weight("w", {s.dim, features}, 1 / std::sqrt(features)),
                  .bias = s.dim % 2 ? no_tensor : c.weight("b", {s.dim}),
                  .position = c.weight("pos", {tokens, s.dim}),
                  .y = c.output("y", {s.plan.rows(), tokens, s.dim}),
                  .patch = s.patch,
                  .window = s.window});
  c.check(kind);
}

void check_final(const std::string& kind, DType dtype, const ImageShape& s) {
  const std::uint32_t tokens = s.image[2] / s.patch * (s.image[3] / s.patch);
  const std::uint32_t features = s.image[1] * s.window * s.window;
  OpCase c(s.plan, dtype, s.image);
  c.add(op::Final{.x = c.input("h", {s.plan.rows(), tokens, s.dim}),
                  .modulation = modulation(c, s.dim),
                  .norm = {},
                  .weight = c.weight("w", {features, s.dim}, 1 / std::sqrt(s.dim)),
                  .bias = s.dim % 2 ? no_tensor : c.weight("b", {features}),
                  .patch = s.patch,
                  .window = s.window,
                  .y = c.output("y", {s.plan.rows(), s.image[1], s.image[2], s.image[3]})});
  c.check(kind, s.plan.steps - 1);
}

TEST_P(Ops, Embed) {
  for (const DType dtype : dtypes) {
    for (const ImageShape& shape : image_shapes) check_embed(GetParam(), dtype, shape);
  }
}

TEST_P(Ops, Final) {
  for (const DType dtype : dtypes) {
    for (const ImageShape& shape : image_shapes) check_final(GetParam(), dtype, shape);
  }
}

TEST_P(Ops, EmbedOfOverlappingWindows) {
  for (const DType dtype : dtypes) {
    for (const ImageShape& shape : window_shapes) check_embed(GetParam(), dtype, shape);
  }
}

TEST_P(Ops, FinalOfOverlappingWindows) {
  for (const DType dtype : dtypes) {
    for (const ImageShape& shape : window_shapes) check_final(GetParam(), dtype, shape);
  }
}

TEST_P(Ops, NoiseStartsOnlyIconsAtTheirFirstStep) {
  for (const auto& [plan, image, patch, window, dim] : image_shapes) {
    OpCase c(plan, DType::f32, image);
    c.add(op::Noise{.x = c.x()});
    for (std::uint32_t step = 0; step < plan.steps; ++step) c.check(GetParam(), step, 0.0);
  }
}

TEST_P(Ops, NoiseBetweenTwoIconsIsTheirBlend) {
  // Ends and middle, where the two weights are 0 or the same, and places where they are not.
  for (const double first : {0.0, 0.15, 0.5, 0.7, 1.0}) {
    for (const auto& [plan, image, patch, window, dim] : image_shapes) {
      OpCase c(plan, DType::f32, image);
      c.add(op::Noise{.x = c.x()});
      std::ranges::fill(c.request().solver_row, 0u);  // all icons start
      for (double blend = first; IconPoint & point : c.request().icons) {
        point.toward = {point.from.seed, point.from.index + 1};
        point.blend = std::min(blend, 1.0);
        blend += 0.1;
      }
      c.check(GetParam(), 0, 1e-6);
    }
  }
}

SolverRow row(float from_x, float from_e, float a, float b0, float b1, float b2, float b3, float noise,
              float guidance) {
  SolverRow r;
  r.from_x = from_x;
  r.from_e = from_e;
  r.a = a;
  r.b[0] = b0;
  r.b[1] = b1;
  r.b[2] = b2;
  r.b[3] = b3;
  r.c = noise;
  r.guidance = guidance;
  return r;
}

TEST_P(Ops, Combine) {
  for (auto [plan, image, patch, window, dim] : image_shapes) {
    plan.steps = 6;
    image[0] = plan.batch;
    const Shape prediction = {plan.rows(), image[1], image[2], image[3]};
    for (std::uint32_t step = 0; step < plan.steps; ++step) {
      OpCase c(plan, DType::f32, image);
      c.add(op::Combine{.prediction = c.input("e", prediction),
                        .x = c.x(),
                        .history = c.input("history", {4, image[0], image[1], image[2], image[3]})});
      c.request().solver = {row(0, 1, 0.5f, 0.7f, 0, 0, 0, 0, 2.5f),
                            row(-1.5f, 2, 1, 1.5f, -0.5f, 0, 0, 0, 2.5f),
                            row(1, 1, 0.3f, 0.2f, 0.4f, -0.6f, 0, 0.25f, 0),
                            row(0.5f, -1, 0, 1, 2, 3, 4, 1, 7),
                            row(0, 1, 1, 0, 0, 0, 1, 0, 1),
                            row(0, 1, 0, 1, 0, 0, 0, 0, 1.5f)};
      // Noise is counted from an icon's own first step.
      c.request().solver[3].first = 2;
      c.check(GetParam(), step, 1e-6);
    }
  }
}

TEST_P(Ops, CombineReadsNoTermWithoutCoefficient) {
  const PlanShape plan = {.batch = 2, .conditions = 2, .steps = 1, .guided = true};
  OpCase c(plan, DType::f32, {2, 3, 4, 4});
  const TensorId history = c.output("history", {4, 2, 3, 4, 4});
  c.add(op::Combine{.prediction = c.input("e", {4, 3, 4, 4}), .x = c.x(), .history = history});
  c.request().solver = {row(0, 1, 0.5f, 0.7f, 0, 0, 0, 0, 2.5f)};
  c.check(GetParam(), 0, 1e-6);
}

TEST_P(Ops, CombineReadsNoUnconditionalRowAtGuidanceOne) {
  OpCase c({.batch = 2, .conditions = 2, .steps = 1, .guided = true}, DType::f32, {2, 3, 4, 4});
  const TensorId prediction = c.input("e", {4, 3, 4, 4});
  auto& values = c.initial(prediction);
  std::fill(values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2), values.end(),
            std::numeric_limits<float>::quiet_NaN());
  c.add(op::Combine{.prediction = prediction, .x = c.x(), .history = c.input("history", {4, 2, 3, 4, 4})});
  c.request().solver = {row(0, 1, 0.5f, 0.7f, 0, 0, 0, 0, 1)};
  c.check(GetParam(), 0, 1e-6);
}

TEST_P(Ops, ToRgba) {
  for (const auto& [plan, image, patch, window, dim] : image_shapes) {
    OpCase c(plan, DType::f32, image);
    c.add(op::ToRgba{.x = c.x(), .rgba = c.rgba(), .premultiplied = image[1] == 4});
    c.check(GetParam());
  }
}

TEST_P(Ops, ToRgbaRoundedDown) {
  OpCase c({.batch = 1}, DType::f32, {1, 3, 4, 4});
  auto& x = c.initial(c.x());
  // A quarter and three quarters of the way from one byte to the next, where the two roundings differ.
  for (std::size_t i = 0; i < x.size(); ++i) x[i] = (static_cast<float>(5 * i) + (i % 2 ? 0.75f : 0.25f)) / 127.5f - 1;
  c.add(op::ToRgba{.x = c.x(), .rgba = c.rgba(), .premultiplied = false, .rounding = Rounding::floor});
  c.check(GetParam(), 0, 1e-5);
  const std::vector<float> got = c.got(c.rgba());
  for (std::size_t pixel = 0; pixel < 16; ++pixel)
    for (std::size_t channel = 0; channel < 3; ++channel)
      EXPECT_EQ(got[4 * pixel + channel], static_cast<float>(5 * (16 * channel + pixel)));
}

TEST_P(Ops, ToRgbaOfExtremes) {
  OpCase c({.batch = 1}, DType::f32, {1, 4, 4, 4});
  auto& x = c.initial(c.x());
  for (std::size_t i = 0; i < x.size(); ++i) x[i] = static_cast<float>(i % 16) / 7.5f - 1;
  for (std::size_t c4 = 0; c4 < 4; ++c4) {
    x[c4 * 16 + 1] = std::numeric_limits<float>::quiet_NaN();
    x[c4 * 16 + 2] = std::numeric_limits<float>::infinity();
    x[c4 * 16 + 3] = -std::numeric_limits<float>::infinity();
  }
  x[3 * 16 + 4] = -1;           // clear
  x[3 * 16 + 5] = -1 + 0.003f;  // an alpha that rounds to 0
  x[3 * 16 + 6] = 1;
  c.add(op::ToRgba{.x = c.x(), .rgba = c.rgba(), .premultiplied = true});
  c.check(GetParam());
}

}  // namespace
}  // namespace dit::test
