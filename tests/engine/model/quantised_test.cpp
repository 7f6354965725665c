// SPDX-License-Identifier: MIT
// Quantised weights: exact layouts, error budgets, and that what is stored twice says the same.
#include "engine/model/quantised.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <random>
#include <string>

#include "engine/error.h"

namespace dit::test {
namespace {

constexpr DType quantised_types[] = {DType::q8_0, DType::q4_0, DType::int8_g32, DType::int4_g32};

/// A tensor that owns its storage.
struct Owned {
  Quantised storage;
  WeightView view;
};

Owned make(DType dtype, const std::vector<float>& values) {
  Owned made{quantise(dtype, values), {}};
  made.view = {"w", dtype, {static_cast<std::uint32_t>(values.size())}, made.storage.bytes, made.storage.scales};
  return made;
}

std::vector<float> normals(std::size_t count) {
  std::mt19937 random(3);
  std::normal_distribution<float> normal(0.0f, 0.05f);
  std::vector<float> values(count);
  for (float& value : values) value = normal(random);
  return values;
}

/// One group whose scale is 1 in the type: the integers of `ramp`.
std::vector<float> ramp(int low, int high) {
  std::vector<float> values;
  for (int i = 0; i < 32; ++i) values.push_back(static_cast<float>(low + i % (high - low + 1)));
  return values;
}

TEST(Quantised, LayoutsAreThoseOfTheirFormats) {
  // ggml, Q4_0: d, then element i below and element i + 16 above, both with 8 added.
  const Owned q4 = make(DType::q4_0, ramp(-8, 7));
  ASSERT_EQ(q4.storage.bytes.size(), 18u);
  EXPECT_EQ(q4.storage.bytes[0], std::byte{0x00});
  EXPECT_EQ(q4.storage.bytes[1], std::byte{0x3c});  // f16 1.0
  for (int i = 0; i < 16; ++i) EXPECT_EQ(q4.storage.bytes[2 + i], static_cast<std::byte>(i | i << 4)) << i;
  // int4: element 2i below and 2i + 1 above, two's complement, scales apart.
  const Owned int4 = make(DType::int4_g32, ramp(-7, 7));
  ASSERT_EQ(int4.storage.bytes.size(), 16u);
  EXPECT_EQ(int4.storage.bytes[0], std::byte{0xa9});  // −7, −6
  EXPECT_EQ(int4.storage.bytes[3], std::byte{0x0f});  // −1, 0
  EXPECT_EQ(int4.storage.bytes[7], std::byte{0x97});  // 7, −7
  EXPECT_EQ(int4.storage.scales, (std::vector{std::byte{0x00}, std::byte{0x3c}}));
  const Owned q8 = make(DType::q8_0, ramp(-127, -96));
  ASSERT_EQ(q8.storage.bytes.size(), 34u);
  EXPECT_EQ(q8.storage.bytes[2], std::byte{0x81});
  EXPECT_EQ(q8.storage.bytes[33], std::byte{0xa0});
  for (const Owned* tensor : {&q4, &int4, &q8}) {
    EXPECT_EQ(read_f32(tensor->view), tensor == &q4 ? ramp(-8, 7) : tensor == &int4 ? ramp(-7, 7) : ramp(-127, -96));
  }
}

TEST(Quantised, AnyRangeIsTheSameNumbers) {
  const std::vector<float> values = normals(96);
  for (const DType dtype : quantised_types) {
    const Owned tensor = make(dtype, values);
    const std::vector<float> all = read_f32(tensor.view);
    const std::vector<double> wide = read_f64(tensor.view);
    for (std::size_t first = 0; first <= 96; ++first) {
      for (const std::size_t count : {0, 1, 5, 31, 32, 33, 64}) {
        if (first + count > 96) continue;
        std::vector<float> part(count);
        read_f32(tensor.view, first, part);
        EXPECT_TRUE(std::equal(part.begin(), part.end(), all.begin() + static_cast<std::ptrdiff_t>(first)))
            << name_of(dtype) << " from " << first << ", " << count;
      }
    }
    for (std::size_t i = 0; i < 96; ++i) EXPECT_EQ(wide[i], all[i]);
    EXPECT_THROW(read_f32(tensor.view, 96, std::span(std::array<float, 1>().data(), 1)), Error);
  }
}

// Largest and mean-square error of normal weights. A rounding step is uniform, so its mean square is step²/12, and the
// largest magnitude of 32 normals is 2.4 deviations: 2.4/(127, 8, 7)/√12 of the weights. Budgets are a tenth above.
TEST(Quantised, ErrorsKeepWithinTheirBudgets) {
  const std::vector<float> values = normals(32 * 512);
  const auto budget = [](DType dtype) {
    return dtype == DType::q4_0 ? 0.095 : dtype == DType::int4_g32 ? 0.109 : 0.006;
  };
  for (const DType dtype : quantised_types) {
    const std::vector<float> got = read_f32(make(dtype, values).view);
    double error = 0, power = 0;
    for (std::size_t i = 0; i < values.size(); ++i) {
      const auto group = std::span(values).subspan(i / 32 * 32, 32);
      float largest = 0;
      for (const float v : group) largest = std::max(largest, std::fabs(v));
      const double steps = dtype == DType::q4_0 ? 8 : dtype == DType::int4_g32 ? 7 : 127;
      // q4_0 has −8 but no +8: values near minus its extreme are cut off by up to a whole step.
      const double limit = largest / steps * (dtype == DType::q4_0 ? 1.0 : 0.5) * 1.001 + largest * 0x1p-11;
      EXPECT_LE(std::fabs(got[i] - values[i]), limit) << name_of(dtype) << " at " << i;
      error += std::pow(got[i] - values[i], 2);
      power += std::pow(values[i], 2);
    }
    const double relative = std::sqrt(error / power);
    EXPECT_LE(relative, budget(dtype)) << name_of(dtype);
    EXPECT_GE(relative, budget(dtype) / 2) << name_of(dtype) << ": better than its bits allow?";
  }
}

TEST(Quantised, ExtremesAndBadValues) {
  std::vector<float> values(32, 0.0f);
  for (const DType dtype : quantised_types) EXPECT_EQ(read_f32(make(dtype, values).view), values) << name_of(dtype);
  values[5] = 1e-30f;
  for (const DType dtype : quantised_types)
    EXPECT_EQ(read_f32(make(dtype, values).view), std::vector<float>(32, 0.0f)) << name_of(dtype);
  values[5] = std::nanf("");
  for (const DType dtype : quantised_types) EXPECT_THROW(quantise(dtype, values), Error);
  values[5] = INFINITY;
  for (const DType dtype : quantised_types) EXPECT_THROW(quantise(dtype, values), Error);
  values[5] = 1e30f;
  for (const DType dtype : quantised_types) EXPECT_THROW(quantise(dtype, values), Error);
  EXPECT_THROW(quantise(DType::q8_0, std::span(values).first(31)), Error);
  EXPECT_THROW(quantise(DType::f16, values), Error);
}

TEST(Quantised, RepackingLosesNothing) {
  const std::vector<float> values = normals(320);
  for (const auto& [from, to] : {std::pair{DType::q4_0, DType::int4_g32}, std::pair{DType::q8_0, DType::int8_g32}}) {
    for (const bool back : {false, true}) {
      const Owned source = make(back ? to : from, values);
      const Quantised other = repack(source.view, back ? from : to);
      const WeightView view{"w", back ? from : to, source.view.shape, other.bytes, other.scales};
      EXPECT_EQ(read_f32(view), read_f32(source.view));
      const Quantised again = repack(view, source.view.dtype);
      EXPECT_EQ(again.bytes, source.storage.bytes);
      EXPECT_EQ(again.scales, source.storage.scales);
    }
  }
  EXPECT_THROW(repack(make(DType::q8_0, values).view, DType::int4_g32), Error);
}

TEST(Quantised, DequantisedWeightsAreTheSameNumbers) {
  const std::vector<float> values = normals(64);
  auto weights = std::make_shared<Weights>();
  const Owned q4 = make(DType::q4_0, values), int8 = make(DType::int8_g32, values);
  weights->tensors["a"] = q4.view;
  weights->tensors["b"] = int8.view;
  weights->tensors["c"] = {"c", DType::f32, {64}, std::as_bytes(std::span(values))};
  const auto plain = dequantised(weights);
  for (const auto& [name, view] : plain->tensors) {
    EXPECT_EQ(view.dtype, DType::f32);
    EXPECT_EQ(read_f32(view), read_f32(weights->tensors.at(name)));
  }
}

}  // namespace
}  // namespace dit::test
