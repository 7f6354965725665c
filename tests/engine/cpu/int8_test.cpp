// SPDX-License-Identifier: MIT
// Products of integers on the CPU: exact for their integers, within a budget of the numbers behind them, and the same
// bits in any batch on any number of threads.
#include "engine/cpu/kernels/int8.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <random>

#include "engine/cpu/executor.h"
#include "engine/cpu/memory.h"
#include "engine/error.h"
#include "engine/model/quantised.h"
#include "engine/network/dit.h"
#include "tests/bench/trial_network.h"
#include "tests/engine/cpu/painted.h"

namespace dit::test {
namespace {

/// Largest difference of an icon's values from f32, of the largest value. Measured on this network: 0.002.
constexpr double icon_budget = 0.01;

class Int8 : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!cpu::int8_usable())
      GTEST_SKIP() << "this processor does not multiply bytes (AVX-512 VNNI, Arm's dot products)";
  }

  std::vector<float> random(std::size_t count) {
    std::normal_distribution<float> normal;
    std::vector<float> values(count);
    for (float& value : values) value = normal(random_);
    return values;
  }

  std::mt19937 random_{11};
};

TEST_F(Int8, ProductsAreExactForTheirIntegersAndNearTheNumbers) {
  for (const auto& [rows, columns, count] :
       {std::array{1u, 32u, 1u}, {3u, 64u, 48u}, {4u, 512u, 47u}, {7u, 96u, 33u}, {8u, 2048u, 48u}}) {
    const std::vector<float> x = random(rows * columns), w = random(count * columns);
    std::vector<std::uint8_t> q(x.size());
    std::vector<float> scales(x.size() / 32), weight_scales(w.size() / 32);
    cpu::quantise_rows(x.data(), rows, columns, q.data(), scales.data());
    const Quantised stored = quantise(DType::int8_g32, w);
    std::vector<std::int8_t> integers(w.size());
    read_groups({"w", DType::int8_g32, {count, columns}, stored.bytes, stored.scales}, 0, integers, weight_scales);
    cpu::Block panel(columns / 32 * cpu::int8_group_bytes, "panel"), sums(8 * 48 * sizeof(float), "sums");
    cpu::pack_int8_panel(integers, weight_scales, count, columns, panel.bytes());
    cpu::int8_block(q.data(), scales.data(), rows, columns, panel.bytes(), sums.f32());
    double largest = 0, from_integers = 0, from_numbers = 0;
    for (std::size_t r = 0; r < rows; ++r) {
      for (std::size_t c = 0; c < 48; ++c) {
        const float got = sums.f32()[r * 48 + c];
        if (c >= count) {
          ASSERT_EQ(got, 0.f) << "padding";
          continue;
        }
        double exact = 0, true_sum = 0;
        for (std::size_t k = 0; k < columns; ++k) {
          const std::size_t a = r * columns + k, b = c * columns + k;
          exact += double(scales[a / 32]) * (q[a] - 128) * double(weight_scales[b / 32]) * integers[b];
          true_sum += double(x[a]) * w[b];
        }
        largest = std::max(largest, std::fabs(true_sum));
        from_integers = std::max(from_integers, std::fabs(got - exact));
        from_numbers = std::max(from_numbers, std::fabs(got - true_sum));
      }
    }
    SCOPED_TRACE(testing::Message() << rows << "x" << columns << "x" << count);
    const double typical = std::max(largest, std::sqrt(columns));
    EXPECT_LE(from_integers, 1e-6 * typical);
    EXPECT_LE(from_numbers, 0.02 * typical);
  }
}

TEST_F(Int8, ZerosStayZerosAndNaNIsNotHidden) {
  std::vector<float> x(64, 0.f), scales(2);
  std::vector<std::uint8_t> q(64);
  cpu::quantise_rows(x.data(), 1, 64, q.data(), scales.data());
  EXPECT_EQ(scales, (std::vector<float>{0.f, 0.f}));
  EXPECT_EQ(std::ranges::count(q, 128), 64);
  for (const float bad : {std::numeric_limits<float>::infinity(), std::numeric_limits<float>::quiet_NaN()}) {
    for (const std::size_t at : {0u, 17u, 31u}) {
      std::vector<float> row(64, 1.f);
      row[at] = bad;
      cpu::quantise_rows(row.data(), 1, 64, q.data(), scales.data());
      EXPECT_FALSE(std::isfinite(scales[0])) << bad << " at " << at;
      EXPECT_TRUE(std::isfinite(scales[1]));
    }
  }
}

ModelConfig small_config() {
  ModelConfig config = bench::trial_config();
  config.height = config.width = 24;  // 9 tokens
  config.dim = 96;
  config.depth = 2;
  config.heads = 3;
  config.mlp_dim = 160;
  config.cond_dim = 32;
  return config;
}

TEST_F(Int8, IconsStayNearF32WithTheSameBitsForAnySplit) {
  const auto weights = bench::random_weights(record(small_config(), {.conditions = 1}), DType::f16);
  const std::vector<float> f32 = paint(small_config(), weights, Precision::f32, 2, 1),
                           one = paint(small_config(), weights, Precision::int8, 1, 1);
  double largest = 0, difference = 0;
  for (std::size_t i = 0; i < f32.size(); ++i) {
    ASSERT_TRUE(std::isfinite(one[i]));
    largest = std::max(largest, std::fabs(double(f32[i])));
    difference = std::max(difference, std::fabs(double(one[i]) - f32[i]));
  }
  RecordProperty("difference", std::to_string(difference / largest));
  EXPECT_GT(difference, 0) << "int8 did nothing";
  EXPECT_LE(difference, icon_budget * largest);
  for (const unsigned threads : {1u, 2u, 5u}) {
    const std::vector<float> three = paint(small_config(), weights, Precision::int8, threads, 3);
    EXPECT_TRUE(std::equal(one.begin(), one.end(), three.begin())) << threads;
  }
}

TEST(Precision, OthersAreRefusedOnTheCpu) {
  const auto weights = bench::random_weights(record(small_config(), {}), DType::f32);
  for (const Precision precision : {Precision::f16, Precision::f16_matrix}) {
    try {
      cpu::open(weights, {.precision = precision});
      ADD_FAILURE() << name_of(precision);
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::unsupported);
    }
  }
  if (!cpu::int8_usable()) {
    EXPECT_THROW(cpu::open(weights, {.precision = Precision::int8}), Error);
  }
}

}  // namespace
}  // namespace dit::test
