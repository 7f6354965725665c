// SPDX-License-Identifier: MIT
// Products of pairs of 16 bits: beside scalar twins that round as they do, within a budget of the numbers behind them,
// and the same bits in any batch on any number of threads.
#include "engine/cpu/kernels/pairs/pairs.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <random>

#include "engine/cpu/executor.h"
#include "engine/cpu/kernels/conv.h"
#include "engine/cpu/memory.h"
#include "engine/error.h"
#include "engine/network/dit.h"
#include "tests/bench/trial_network.h"
#include "tests/engine/cpu/painted.h"

namespace dit::test {
namespace {

struct Case {
  std::size_t rows, columns, count;
};
/// Depths that are no pair, no group, a group and a bit; panels of one column and of all; more rows than a tile.
constexpr Case cases[] = {{1, 1, 1},   {2, 3, 17},    {3, 64, 48}, {4, 512, 47}, {5, 63, 32},
                          {7, 96, 33}, {8, 2048, 48}, {9, 55, 16}, {16, 65, 48}, {130, 577, 31}};

bool usable(DType dtype) { return dtype == DType::bf16 ? cpu::bf16_usable() : cpu::int16_usable(); }

/// The nearest of 8 significant bits, ties to even.
double in_bf16(double value) {
  int exponent = 0;
  const double fraction = std::frexp(value, &exponent);
  return std::ldexp(std::nearbyint(std::ldexp(fraction, 8)), exponent - 8);
}

/// A left side, a packed panel, and what multiply_pairs makes of them.
struct Multiplied {
  Multiplied(DType dtype, const Case& c, const std::vector<float>& x, const std::vector<float>& w)
      : depth(cpu::pair_depth(c.columns)),
        a(c.rows * depth),
        scales(c.rows * depth / cpu::pair_group),
        panel(cpu::PackedMatrix::piece_bytes(dtype, c.columns), "panel"),
        block(c.rows * 48 * sizeof(float), "sums") {
    if (dtype == DType::bf16) {
      cpu::bf16_rows(x.data(), c.rows, c.columns, a.data());
    } else {
      cpu::int16_rows(x.data(), c.rows, c.columns, a.data(), scales.data());
    }
    packed = cpu::pack_pairs(dtype, w, c.count, c.columns, panel.bytes());
    std::fill_n(block.f32(), c.rows * 48, untouched);
    const std::size_t used = cpu::round_to_line(c.count);
    cpu::multiply_pairs({dtype, a.data(), scales.data(), c.rows, depth, panel.bytes(), used, false, block.f32()});
  }
  float at(std::size_t row, std::size_t column) const { return block.f32()[row * 48 + column]; }
  /// Of the packed weight, by the layout that weight_store.h promises.
  std::int16_t integer(std::size_t k, std::size_t column) const {
    std::int16_t value;
    std::memcpy(&value, panel.bytes() + 192 + ((k / 2 * 48 + column) * 2 + k % 2) * 2, sizeof(value));
    return value;
  }
  float column_scale(std::size_t column) const { return panel.f32()[column]; }

  static constexpr float untouched = 12345.f;
  std::size_t depth;
  std::vector<std::uint16_t> a;
  std::vector<float> scales;
  cpu::Block panel, block;
  bool packed = false;
};

class Pairs : public ::testing::TestWithParam<DType> {
 protected:
  void SetUp() override {
    if (!usable(GetParam())) GTEST_SKIP() << "this processor does not multiply pairs of " << name_of(GetParam());
  }
  std::vector<float> random(std::size_t count, float spread = 0) {
    std::normal_distribution<float> normal;
    std::vector<float> values(count);
    // Some values far above the others, as activations have them.
    for (float& value : values) value = normal(random_) * std::exp(spread * normal(random_));
    return values;
  }
  std::mt19937 random_{11};
};

/// Σ of what both sides became.
double twin(DType dtype, const Multiplied& m, const Case& c, const std::vector<float>& x, const std::vector<float>& w,
            std::size_t r, std::size_t column) {
  double sum = 0;
  for (std::size_t k = 0; k < c.columns; ++k) {
    const std::size_t at = r * m.depth + k;
    sum += dtype == DType::bf16 ? in_bf16(x[r * c.columns + k]) * in_bf16(w[column * c.columns + k])
                                : double{m.scales[at / cpu::pair_group]} * static_cast<std::int16_t>(m.a[at]) *
                                      m.column_scale(column) * m.integer(k, column);
  }
  return sum;
}

TEST_P(Pairs, ProductsAreThoseOfTheTwinAndNearTheNumbers) {
  for (const Case& c : cases) {
    SCOPED_TRACE(testing::Message() << c.rows << "x" << c.columns << "x" << c.count);
    const std::vector<float> x = random(c.rows * c.columns, 0.5f), w = random(c.count * c.columns);
    const Multiplied m(GetParam(), c, x, w);
    ASSERT_TRUE(m.packed);
    for (std::size_t r = 0; r < c.rows; ++r) {
      double size = 1e-30;  // root of the sum of squares: what errors that do not know of each other add up to
      for (std::size_t k = 0; k < c.columns; ++k) size += std::pow(x[r * c.columns + k], 2);
      size = std::sqrt(size);
      for (std::size_t column = 0; column < 48; ++column) {
        const float got = m.at(r, column);
        if (column >= c.count) {
          ASSERT_EQ(got, column < cpu::round_to_line(c.count) ? 0.f : Multiplied::untouched) << column;
          continue;
        }
        double exact = 0;
        for (std::size_t k = 0; k < c.columns; ++k) exact += double{x[r * c.columns + k]} * w[column * c.columns + k];
        const double expected = twin(GetParam(), m, c, x, w, r, column);
        ASSERT_NEAR(got, expected, 1e-5 * size) << r << ", " << column;
        ASSERT_NEAR(got, exact, (GetParam() == DType::bf16 ? 0.02 : 1e-3) * size) << r << ", " << column;
      }
    }
  }
}

TEST_P(Pairs, ARowHasTheSameBitsBesideAnyOthers) {
  const Case all{11, 130, 48};
  const std::vector<float> x = random(all.rows * all.columns), w = random(all.count * all.columns);
  const Multiplied together(GetParam(), all, x, w);
  for (std::size_t r = 0; r < all.rows; ++r) {
    const std::vector<float> row(x.begin() + std::ptrdiff_t(r * all.columns),
                                 x.begin() + std::ptrdiff_t((r + 1) * all.columns));
    const Multiplied alone(GetParam(), {1, all.columns, all.count}, row, w);
    for (std::size_t column = 0; column < 48; ++column) ASSERT_EQ(alone.at(0, column), together.at(r, column));
  }
}

TEST_P(Pairs, WhatIsNoNumberIsNotHidden) {
  for (const std::size_t columns : {1u, 64u, 129u}) {
    for (const float bad : {std::numeric_limits<float>::infinity(), std::numeric_limits<float>::quiet_NaN()}) {
      std::vector<float> x(2 * columns, 1.f), w(columns, 1.f);
      x[columns - 1] = bad;
      const Multiplied m(GetParam(), {2, columns, 1}, x, w);
      EXPECT_FALSE(std::isfinite(m.at(0, 0))) << bad;
      EXPECT_TRUE(std::isfinite(m.at(1, 0))) << bad;
      w[columns - 1] = bad;
      EXPECT_FALSE(Multiplied(GetParam(), {2, columns, 1}, std::vector<float>(2 * columns, 1.f), w).packed);
    }
    const std::vector<float> zeros(2 * columns, 0.f);
    const Multiplied nothing(GetParam(), {2, columns, 1}, zeros, zeros);
    EXPECT_EQ(nothing.at(0, 0), 0.f);
    EXPECT_TRUE(nothing.packed);
  }
}

TEST(PairsOfIntegers, AvxVnniGivesTheSameBits) {
  if (!cpu::int16_usable()) GTEST_SKIP() << "this processor does not multiply pairs of i16";
  std::mt19937 random(3);
  std::normal_distribution<float> normal;
  for (const Case& c : cases) {
    std::vector<float> x(c.rows * c.columns), w(c.count * c.columns);
    for (float& value : x) value = normal(random);
    for (float& value : w) value = normal(random);
    x.back() = c.rows == 1 ? 0.f : std::numeric_limits<float>::quiet_NaN();
    const Multiplied wide(DType::i16, c, x, w);
    const bool there = cpu::force_avx_vnni(true);
    if (!there) {
      cpu::force_avx_vnni(false);
      GTEST_SKIP() << "this processor has no AVX-VNNI";
    }
    const Multiplied narrow(DType::i16, c, x, w);
    cpu::force_avx_vnni(false);
    EXPECT_EQ(narrow.a, wide.a);
    for (std::size_t i = 0; i < c.rows * 48; ++i) {
      const float a = narrow.block.f32()[i], b = wide.block.f32()[i];
      ASSERT_TRUE(a == b || (std::isnan(a) && std::isnan(b))) << c.rows << "x" << c.columns << " at " << i;
    }
  }
}

/// The largest sums that any weights and values can make.
TEST(PairsOfIntegers, NoSumLeavesItsBits) {
  if (!cpu::int16_usable()) GTEST_SKIP() << "this processor does not multiply pairs of i16";
  const Case c{2, 128, 3};
  std::vector<float> x(c.rows * c.columns), w(c.count * c.columns);
  for (std::size_t k = 0; k < c.columns; ++k) {
    const float sign = k % 3 == 0 ? -1.f : 1.f;
    x[k] = sign * 5.f;
    x[c.columns + k] = -sign * 5.f;
    w[k] = sign * 0.3f;                                   // all alike
    w[c.columns + k] = sign * (k == 7 ? 40.f : 1e-3f);    // one above all
    w[2 * c.columns + k] = sign * (k < 64 ? 2.f : 0.1f);  // a group above the other
  }
  const Multiplied m(DType::i16, c, x, w);
  for (std::size_t column = 0; column < c.count; ++column) {
    double exact = 0, most = 1e-5;
    for (std::size_t start = 0; start < c.columns; start += 64) {
      int sum = 0;
      for (std::size_t k = start; k < start + 64; ++k) sum += std::abs(m.integer(k, column));
      EXPECT_LE(sum, 262032);
    }
    for (std::size_t k = 0; k < c.columns; ++k) {
      exact += double{x[k]} * w[column * c.columns + k];
      // Half a step of either side, all of them in one direction.
      most += std::fabs(x[k]) * m.column_scale(column) / 2 + std::fabs(w[column * c.columns + k]) * 5 / 8191 / 2;
    }
    EXPECT_NEAR(m.at(0, column), exact, most) << column;
    EXPECT_NEAR(m.at(1, column), -exact, most) << column;
  }
}

/// Σ over channels and taps of what both sides became, at a pixel.
double conv_twin(const cpu::Conv& c, const std::vector<float>& weight, std::size_t r, std::size_t o, std::size_t y,
                 std::size_t x) {
  const std::size_t channels = c.in + c.picture_channels, area = c.height * c.width;
  double sum = 0;
  for (std::size_t i = 0; i < channels * 9; ++i) {
    const std::size_t channel = i / 9, row = y + i % 9 / 3 - 1, column = x + i % 3 - 1;  // wrap round outside
    if (row >= c.height || column >= c.width) continue;
    const float* plane = channel < c.in ? c.x + (r * c.in + channel) * area
                                        : c.picture + (r % c.batch * c.picture_channels + channel - c.in) * area;
    sum += in_bf16(plane[row * c.width + column]) * in_bf16(weight[o * channels * 9 + i]);
  }
  return sum + c.bias[o];
}

TEST(PairsOfTaps, ConvolutionsAreThoseOfTheTwin) {
  if (!cpu::bf16_usable()) GTEST_SKIP() << "this processor does not multiply pairs of bf16";
  std::mt19937 random(5);
  std::normal_distribution<float> normal;
  const auto values = [&](std::size_t count) {
    std::vector<float> made(count);
    for (float& value : made) value = normal(random);
    return made;
  };
  struct Shape {
    std::size_t in, picture, out, height, width;
  };
  for (const auto& [in, picture, out, height, width] :
       {Shape{1, 0, 1, 1, 1}, {2, 3, 9, 5, 7}, {7, 0, 4, 9, 33}, {16, 4, 20, 30, 64}, {5, 2, 8, 17, 16}}) {
    SCOPED_TRACE(testing::Message() << in << "+" << picture << " to " << out << ", " << height << "x" << width);
    const std::size_t area = height * width, channels = in + picture;
    const std::vector<float> x = values(3 * in * area), p = values(3 * picture * area), bias = values(out);
    const std::vector<float> weight = values(out * channels * 9);
    std::vector<std::uint16_t> taps(out * cpu::tap_depth(channels));
    ASSERT_TRUE(cpu::pack_taps(weight, out, channels, taps.data()));
    std::vector<float> y(3 * out * area);
    cpu::Conv conv;
    conv.x = x.data();
    conv.picture = picture > 0 ? p.data() : nullptr;
    conv.taps = taps.data();
    conv.bias = bias.data();
    conv.rows = conv.batch = 3;
    conv.in = in;
    conv.picture_channels = picture;
    conv.out = out;
    conv.height = height;
    conv.width = width;
    conv.y = y.data();
    conv.choose_band(2);
    const cpu::Block scratch(conv.scratch() * sizeof(float), "scratch");
    cpu::conv(conv, 0, conv.units(), scratch.f32());
    for (std::size_t i = 0; i < y.size(); ++i) {
      const double expected = conv_twin(conv, weight, i / area / out, i / area % out, i % area / width, i % width);
      ASSERT_NEAR(y[i], expected, 1e-5 * std::sqrt(9 * channels)) << i;
    }
  }
}

ModelConfig config_with(bool parts) {
  ModelConfig config = bench::trial_config();
  config.height = config.width = 24;
  config.dim = 94;  // no group of anything
  config.depth = 2;
  config.heads = 2;
  config.mlp_dim = 159;
  config.cond_dim = 32;
  if (!parts) return config;
  config.context = 3;
  config.window = config.patch;
  config.detail = DetailConfig{.channels = 5, .hidden = 7, .layers = 3};
  return config;
}

TEST_P(Pairs, IconsStayNearF32WithTheSameBitsForAnySplit) {
  const Precision precision = GetParam() == DType::bf16 ? Precision::bf16 : Precision::int16;
  for (const bool parts : {false, true}) {
    const ModelConfig config = config_with(parts);
    const auto weights = bench::random_weights(record(config, {.conditions = 1}), DType::f16);
    const std::vector<float> f32 = paint(config, weights, Precision::f32, 2, 1),
                             one = paint(config, weights, precision, 1, 1);
    double largest = 0, difference = 0;
    for (std::size_t i = 0; i < f32.size(); ++i) {
      ASSERT_TRUE(std::isfinite(one[i]));
      largest = std::max(largest, std::fabs(double{f32[i]}));
      difference = std::max(difference, std::fabs(double{one[i]} - f32[i]));
    }
    RecordProperty(parts ? "with_parts" : "plain", std::to_string(difference / largest));
    EXPECT_GT(difference, 0) << "the precision did nothing";
    EXPECT_LE(difference, (precision == Precision::bf16 ? 0.01 : 1e-3) * largest);
    for (const unsigned threads : {1u, 2u, 5u}) {
      const std::vector<float> three = paint(config, weights, precision, threads, 3);
      EXPECT_TRUE(std::equal(one.begin(), one.end(), three.begin())) << threads;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Types, Pairs, ::testing::Values(DType::bf16, DType::i16),
                         [](const auto& test) { return std::string(name_of(test.param)); });

TEST(PairsMissing, AreAnErrorThatNamesTheInstructions) {
  const auto weights = bench::random_weights(record(config_with(false), {}), DType::f32);
  for (const auto& [precision, there, wanted] : {std::tuple{Precision::bf16, cpu::bf16_usable(), "AVX512_BF16"},
                                                 {Precision::int16, cpu::int16_usable(), "AVX-512 VNNI"}}) {
    if (there) {
      EXPECT_NO_THROW(cpu::open(weights, {.precision = precision}));
      continue;
    }
    try {
      cpu::open(weights, {.precision = precision});
      ADD_FAILURE() << name_of(precision);
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::unsupported);
      EXPECT_NE(std::string(error.what()).find(wanted), std::string::npos) << error.what();
    }
  }
}

}  // namespace
}  // namespace dit::test
