// SPDX-License-Identifier: MIT
#include "engine/network/noise.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <numbers>
#include <vector>

namespace dit {
namespace {

TEST(Noise, PhiloxMatchesThePublishedVectors) {
  // Known-answer vectors of the Random123 distribution for philox4x32-10.
  EXPECT_EQ(philox4x32({0, 0, 0, 0}, {0, 0}),
            (std::array<std::uint32_t, 4>{0x6627e8d5u, 0xe169c58du, 0xbc57ac4cu, 0x9b00dbd8u}));
  EXPECT_EQ(philox4x32({~0u, ~0u, ~0u, ~0u}, {~0u, ~0u}),
            (std::array<std::uint32_t, 4>{0x408f276du, 0x41c83b0eu, 0xa20bc7c6u, 0x6d5451fdu}));
  EXPECT_EQ(philox4x32({0x243f6a88u, 0x85a308d3u, 0x13198a2eu, 0x03707344u}, {0xa4093822u, 0x299f31d0u}),
            (std::array<std::uint32_t, 4>{0xd16cfe09u, 0x94fdccebu, 0x5001e420u, 0x24126ea1u}));
}

TEST(Noise, InverseDistributionIsWithinAMillionth) {
  // The tail probability of the result, by the C library, must give back the bits.
  for (std::uint64_t m = 1; m < 0x7fffffffu; m += 1 + m / 50) {
    const double p = std::ldexp(static_cast<double>(m + 1), -32);
    const double z = normal_from_bits(static_cast<std::uint32_t>(m));
    const double tail = 0.5 * std::erfc(z / std::sqrt(2.0));
    const double density = std::exp(-z * z / 2) / std::sqrt(2 * M_PI);
    EXPECT_LT(std::fabs(tail - p) / density, 1e-6) << "m = " << m << ", z = " << z;
  }
}

TEST(Noise, SignBitMirrors) {
  for (const std::uint32_t bits : {0u, 1u, 12345u, 0x7ffffffeu, 0x7fffffffu}) {
    EXPECT_EQ(normal_from_bits(bits), -normal_from_bits(bits | 0x80000000u));
  }
  EXPECT_GT(normal_from_bits(0), 6);
  EXPECT_LT(std::fabs(normal_from_bits(0x7fffffffu)), 1e-6);
}

TEST(Noise, MomentsAreThoseOfANormal) {
  std::vector<float> values(1 << 20);
  fill_normals(1, 2, 0, 0, values);
  double sums[4] = {};
  for (const float v : values) {
    for (int k = 0; k < 4; ++k) sums[k] += std::pow(v, k + 1) / static_cast<double>(values.size());
  }
  // Four standard errors of each moment at 2^20 samples.
  EXPECT_NEAR(sums[0], 0, 4e-3);
  EXPECT_NEAR(sums[1], 1, 6e-3);
  EXPECT_NEAR(sums[2], 0, 16e-3);
  EXPECT_NEAR(sums[3], 3, 40e-3);
}

TEST(Noise, IsAFunctionOfItsPlace) {
  std::vector<float> whole(1000), part(37);
  fill_normals(5, 6, 1, 0, whole);
  for (const std::uint32_t first : {0u, 1u, 2u, 3u, 500u}) {
    fill_normals(5, 6, 1, first, part);
    EXPECT_TRUE(std::equal(part.begin(), part.end(), whole.begin() + first)) << "from element " << first;
  }
}

TEST(Noise, SeedIndexAndDrawAllMatter) {
  const auto first = [](std::uint64_t seed, std::uint64_t index, std::uint32_t draw) {
    float value = 0;
    fill_normals(seed, index, draw, 0, {&value, 1});
    return value;
  };
  const float base = first(1, 1, 0);
  EXPECT_NE(base, first(1 + (std::uint64_t{1} << 40), 1, 0));
  EXPECT_NE(base, first(2, 1, 0));
  EXPECT_NE(base, first(1, 1 + (std::uint64_t{1} << 40), 0));
  EXPECT_NE(base, first(1, 2, 0));
  EXPECT_NE(base, first(1, 1, 1));
}

TEST(Noise, APointBetweenTwoIconsIsOnTheirGreatCircle) {
  const IconKey a = {1, 2}, b = {3, 4};
  constexpr std::size_t count = 4096;
  std::vector<float> from(count), toward(count), z(count);
  fill_normals(a.seed, a.index, 5, 0, from);
  fill_normals(b.seed, b.index, 5, 0, toward);
  for (const double blend : {0.0, 0.1, 0.5, 0.9, 1.0}) {
    fill_normals(IconPoint{a, b, blend}, 5, 0, z);
    double squares = 0;
    for (std::size_t i = 0; i < count; ++i) {
      const double angle = std::numbers::pi / 2 * blend;
      EXPECT_NEAR(z[i], std::cos(angle) * from[i] + std::sin(angle) * toward[i], 1e-6) << blend << " element " << i;
      squares += double{z[i]} * z[i];
    }
    EXPECT_NEAR(squares / count, 1.0, 0.1) << "variance at " << blend;
  }
  fill_normals(IconPoint{a, b, 0}, 5, 0, z);
  EXPECT_EQ(z, from);
  fill_normals(IconPoint{a, b, 1}, 5, 0, z);
  EXPECT_EQ(z, toward);
}

TEST(Noise, APieceOfABlendIsThatPieceOfTheWhole) {
  const IconPoint point = {{1, 2}, {3, 4}, 0.3};
  std::vector<float> whole(300);
  fill_normals(point, 0, 0, whole);
  for (const std::uint32_t first : {1u, 63u, 64u, 130u}) {
    std::vector<float> piece(137);
    fill_normals(point, 0, first, piece);
    EXPECT_TRUE(std::equal(piece.begin(), piece.end(), whole.begin() + first)) << first;
  }
}

TEST(Noise, BitsNeverChange) {
  // An icon that somebody owns by its seed must look the same after every release and on every host.
  std::vector<float> values(4096);
  fill_normals(7, 0, 0, 0, values);
  std::uint64_t hash = 0xcbf29ce484222325u;
  for (const float v : values) hash = (hash ^ std::bit_cast<std::uint32_t>(v)) * 0x100000001b3u;
  EXPECT_EQ(hash, 0x690c2178439ffecbu) << std::hex << hash;
  EXPECT_EQ(seed_from_name("ditsrc"), 0xcf051bb9671268f9u) << std::hex << seed_from_name("ditsrc");
}

}  // namespace
}  // namespace dit
