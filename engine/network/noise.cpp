// SPDX-License-Identifier: MIT
#include "engine/network/noise.h"

#include <algorithm>
#include <bit>
#include <cmath>

namespace dit {
namespace {

// The table is made from additions, multiplications, divisions and square roots of doubles alone, which IEEE 754 rounds
// exactly, and not from the C library's exp and erf, whose last bit differs between libraries.

/// e^-x for x ≥ 0: (Taylor series of e^(-x/2^k))^(2^k).
double exp_minus(double x) {
  int halvings = 0;
  while (x > 0.125) {
    x *= 0.5;
    ++halvings;
  }
  double term = 1, sum = 1;
  for (int n = 1; n < 16; ++n) {
    term *= -x / n;
    sum += term;
  }
  while (halvings-- > 0) sum *= sum;
  return sum;
}

/// Density of the standard normal distribution.
double density(double z) {
  constexpr double one_over_sqrt_2pi = 0.3989422804014327;
  return one_over_sqrt_2pi * exp_minus(0.5 * z * z);
}

/// Upper tail of the standard normal distribution for z ≥ 0.
/// source: Abramowitz & Stegun 26.2.11 (series) and 26.2.14 (continued fraction)
double upper_tail(double z) {
  if (z < 2.5) {
    double term = z, sum = z;
    for (int n = 1; n < 80; ++n) {
      term *= z * z / (2 * n + 1);
      sum += term;
    }
    return 0.5 - density(z) * sum;
  }
  double fraction = z;
  for (int n = 200; n > 0; --n) fraction = z + n / fraction;
  return density(z) / fraction;
}

using Table = std::array<float, normal_octaves * normal_pieces * 4>;

/// Cubic Hermite pieces between exact values and slopes of z(p), from p = 1/2 outwards.
Table make_table() {
  Table table{};
  double z_high = 0;  // z at the upper end of the piece in p
  for (int octave = normal_octaves - 1; octave >= 0; --octave) {
    for (int piece = normal_pieces - 1; piece >= 0; --piece) {
      const double width = std::ldexp(1.0, octave - 32) / normal_pieces;  // of the piece, in p
      const double p = std::ldexp(1.0, octave - 32) * (1 + piece / static_cast<double>(normal_pieces));
      // The tail is convex, so Newton from the left climbs without overshoot.
      double z_low = z_high;
      for (int i = 0; i < 12; ++i) z_low += (upper_tail(z_low) - p) / density(z_low);
      const double slope_low = -width / density(z_low), slope_high = -width / density(z_high);
      float* c = &table[(octave * normal_pieces + piece) * 4];
      c[0] = static_cast<float>(z_low);
      c[1] = static_cast<float>(slope_low);
      c[2] = static_cast<float>(3 * (z_high - z_low) - 2 * slope_low - slope_high);
      c[3] = static_cast<float>(2 * (z_low - z_high) + slope_low + slope_high);
      z_high = z_low;
    }
  }
  return table;
}

const Table& table() {
  static const Table instance = make_table();
  return instance;
}

float normal(const Table& t, std::uint32_t bits) noexcept {
  const std::uint32_t magnitude = bits & 0x7fffffffu;
  const std::uint32_t k = magnitude == 0x7fffffffu ? magnitude : magnitude + 1;
  const std::uint32_t octave = 31u - static_cast<std::uint32_t>(std::countl_zero(k));
  const std::uint32_t mantissa = k << (31 - octave);  // bit 31 is set
  const std::uint32_t piece = (mantissa >> 27) & 15u;
  const float f = static_cast<float>((mantissa & 0x07ffffffu) >> 3) * 0x1p-24f;
  const float* c = &t[(octave * normal_pieces + piece) * 4];
  const float z = ((c[3] * f + c[2]) * f + c[1]) * f + c[0];
  return bits & 0x80000000u ? -z : z;
}

}  // namespace

std::array<std::uint32_t, 4> philox4x32(std::array<std::uint32_t, 4> c, std::array<std::uint32_t, 2> key) noexcept {
  for (int round = 0; round < 10; ++round) {
    const std::uint64_t p0 = std::uint64_t{0xD2511F53u} * c[0], p1 = std::uint64_t{0xCD9E8D57u} * c[2];
    c = {static_cast<std::uint32_t>(p1 >> 32) ^ c[1] ^ key[0], static_cast<std::uint32_t>(p1),
         static_cast<std::uint32_t>(p0 >> 32) ^ c[3] ^ key[1], static_cast<std::uint32_t>(p0)};
    key[0] += 0x9E3779B9u;
    key[1] += 0xBB67AE85u;
  }
  return c;
}

std::span<const float> normal_table() noexcept { return table(); }

float normal_from_bits(std::uint32_t bits) noexcept { return normal(table(), bits); }

void fill_normals(std::uint64_t seed, std::uint64_t index, std::uint32_t draw, std::uint32_t first,
                  std::span<float> out) noexcept {
  const Table& t = table();
  const auto low = [](std::uint64_t v) { return static_cast<std::uint32_t>(v); };
  const auto high = [](std::uint64_t v) { return static_cast<std::uint32_t>(v >> 32); };
  std::array<std::uint32_t, 4> words{};
  for (std::size_t i = 0; i < out.size(); ++i) {
    const std::uint32_t element = first + static_cast<std::uint32_t>(i);
    if (i == 0 || element % 4 == 0) {
      words = philox4x32({element / 4, draw, low(index), high(index)}, {low(seed), high(seed)});
    }
    out[i] = normal(t, words[element % 4]);
  }
}

BlendWeights blend_weights(double blend) noexcept {
  if (!(blend > 0)) return {1, 0};
  if (blend >= 1) return {0, 1};
  constexpr double half_pi = 1.5707963267948966;
  const double x = half_pi * blend;
  double power = 1, cosine = 0, sine = 0;  // Taylor terms x^n/n!; the 21st is below 1e-15 for x < π/2
  for (int n = 0; n < 22; ++n) {
    (n % 2 ? sine : cosine) += n % 4 < 2 ? power : -power;
    power *= x / (n + 1);
  }
  return {static_cast<float>(cosine), static_cast<float>(sine)};
}

void fill_normals(const IconPoint& point, std::uint32_t draw, std::uint32_t first, std::span<float> out) noexcept {
  const BlendWeights weights = blend_weights(point.blend);
  const IconKey& nearest = weights.from == 0 ? point.toward : point.from;
  fill_normals(nearest.seed, nearest.index, draw, first, out);
  if (weights.from == 0 || weights.toward == 0) return;
  std::array<float, 64> other;  // a multiple of 4, so that every piece but the first starts a counter
  for (std::size_t done = 0; done < out.size();) {
    const std::uint32_t element = first + static_cast<std::uint32_t>(done);
    const std::size_t piece = std::min<std::size_t>(other.size() - element % 4, out.size() - done);
    fill_normals(point.toward.seed, point.toward.index, draw, element, {other.data(), piece});
    for (std::size_t i = 0; i < piece; ++i) out[done + i] = weights.from * out[done + i] + weights.toward * other[i];
    done += piece;
  }
}

std::uint64_t seed_from_name(std::string_view name) noexcept {
  std::uint64_t hash = 0xcbf29ce484222325u;
  for (const char c : name) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3u;
  hash = (hash ^ (hash >> 30)) * 0xbf58476d1ce4e5b9u;
  hash = (hash ^ (hash >> 27)) * 0x94d049bb133111ebu;
  return hash ^ (hash >> 31);
}

}  // namespace dit
