// SPDX-License-Identifier: MIT
// Convolutions of 3×3: channels and sizes that no tile divides, with a picture beside the features and without.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "tests/engine/ops/ops_test.h"

namespace dit::test {
namespace {

struct ConvShape {
  PlanShape plan;
  std::uint32_t in, picture, out, height, width;
};

const ConvShape conv_shapes[] = {
    {{.batch = 1}, 1, 0, 1, 1, 1},
    {{.batch = 1}, 1, 3, 2, 1, 9},
    {{.batch = 1}, 3, 0, 3, 7, 1},
    {{.batch = 2, .conditions = 2, .steps = 3, .guided = true}, 5, 4, 7, 12, 8},
    {{.batch = 3, .conditions = 2, .steps = 2}, 16, 3, 12, 21, 15},
    {{.batch = 1}, 7, 0, 48, 6, 10},
    {{.batch = 1}, 33, 0, 33, 18, 70},
    {{.batch = 1}, 2, 4, 9, 3, 521},   // a row is more than a band
    {{.batch = 1}, 3, 0, 4, 67, 128},  // several bands, and one row in the last
    {{.batch = 1, .conditions = 2, .steps = 1, .guided = true}, 16, 4, 32, 64, 64},
    {{.batch = 1}, 32, 0, 4, 64, 64},
};

/// A case of this shape, residual where channels in and out are as many.
void check_conv(const std::string& kind, const ConvShape& s, DType dtype, Activation activation) {
  OpCase c(s.plan, dtype, {1, s.picture ? s.picture : 3, s.height, s.width});
  const std::uint32_t channels = s.in + s.picture;
  c.add(op::Conv{.x = c.input("h", {s.plan.rows(), s.in, s.height, s.width}),
                 .picture = s.picture ? c.x() : no_tensor,
                 .weight = c.weight("w", {s.out, channels, 3, 3}, 1 / std::sqrt(9.0 * channels)),
                 .bias = activation == Activation::gelu_erf ? no_tensor : c.weight("b", {s.out}),
                 .activation = activation,
                 .residual = s.in == s.out,
                 .y = c.output("y", {s.plan.rows(), s.out, s.height, s.width})});
  c.check(kind, s.plan.steps - 1);
}

TEST_P(Ops, Conv) {
  for (const DType dtype : {DType::f32, DType::f16, DType::bf16}) {
    for (const ConvShape& shape : conv_shapes) check_conv(GetParam(), shape, dtype, Activation::silu);
  }
}

TEST_P(Ops, ConvOfEveryActivation) {
  for (const Activation activation : {Activation::none, Activation::gelu_erf, Activation::gelu_tanh}) {
    for (const ConvShape& shape : conv_shapes) check_conv(GetParam(), shape, DType::f32, activation);
  }
}

TEST_P(Ops, ConvSpreadsNaNToItsNeighboursAlone) {
  // In a corner, at an edge and in the middle: the twin says where it may be seen. Lines of a band lie end to end.
  for (const std::size_t at : {0u, 7u, 8u, 39u, 63u}) {
    OpCase c({.batch = 1}, DType::f32);
    const TensorId h = c.input("h", {1, 2, 8, 8});
    c.initial(h)[64 + at] = std::numeric_limits<float>::quiet_NaN();
    const TensorId y = c.output("y", {1, 3, 8, 8});
    c.add(op::Conv{.x = h,
                   .picture = no_tensor,
                   .weight = c.weight("w", {3, 2, 3, 3}),
                   .bias = no_tensor,
                   .activation = Activation::silu,
                   .residual = false,
                   .y = y});
    c.check(GetParam());
    for (std::size_t i = 0; i < 64; ++i) {
      const bool near = std::max(i / 8, at / 8) - std::min(i / 8, at / 8) < 2 &&
                        std::max(i % 8, at % 8) - std::min(i % 8, at % 8) < 2;
      EXPECT_EQ(std::isnan(c.got(y)[i]), near) << i << ", of " << at;
    }
  }
}

TEST_P(Ops, ConvOfOneTap) {
  // A single weight of one moves the picture: to be seen without a twin. Zeros come in at the edge.
  for (std::size_t tap = 0; tap < 9; ++tap) {
    OpCase c({.batch = 1}, DType::f32);
    const TensorId h = c.input("h", {1, 1, 3, 4}), w = c.weight("w", {1, 1, 3, 3}), y = c.output("y", {1, 1, 3, 4});
    for (std::size_t i = 0; i < 9; ++i) c.weight_values(w)[i] = i == tap ? 1.f : 0.f;
    c.add(op::Conv{.x = h,
                   .picture = no_tensor,
                   .weight = w,
                   .bias = no_tensor,
                   .activation = Activation::none,
                   .residual = false,
                   .y = y});
    c.check(GetParam());
    for (std::size_t row = 0; row < 3; ++row)
      for (std::size_t column = 0; column < 4; ++column) {
        const std::size_t from_row = row + tap / 3 - 1, from_column = column + tap % 3 - 1;
        const bool inside = from_row < 3 && from_column < 4;
        const float expected = inside ? c.initial(h)[from_row * 4 + from_column] : 0.f;
        EXPECT_NEAR(c.got(y)[row * 4 + column], expected, bound_of(GetParam()) * 4) << "tap " << tap;
      }
  }
}

}  // namespace
}  // namespace dit::test
