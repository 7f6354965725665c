// SPDX-License-Identifier: MIT
#include "plugin/encoders/resize.h"

#include <algorithm>
#include <array>
#include <cmath>

namespace dit::plugin {
namespace {

/// IEC 61966-2-1.
double to_linear(std::uint8_t value) {
  const double v = value / 255.0;
  return v <= 0.04045 ? v / 12.92 : std::pow((v + 0.055) / 1.055, 2.4);
}

std::uint8_t from_linear(double v) {
  const double coded = v <= 0.0031308 ? 12.92 * v : 1.055 * std::pow(v, 1 / 2.4) - 0.055;
  return static_cast<std::uint8_t>(std::lround(255 * std::clamp(coded, 0.0, 1.0)));
}

/// The source pixels under one target pixel, along one axis, and how much of each.
struct Span {
  int first;
  std::vector<double> shares;
};

/// `to` pixels of the axis cover `from` source pixels.
std::vector<Span> spans(int from, int to) {
  std::vector<Span> result;
  const double step = static_cast<double>(from) / to;
  for (int i = 0; i < to; ++i) {
    const double begin = i * step;
    const double end = begin + step;
    Span span{static_cast<int>(begin), {}};
    for (int k = span.first; k < from && k < end; ++k) {
      const double share = std::min<double>(k + 1, end) - std::max<double>(k, begin);
      // Rounding may leave a sliver of a neighbour, which would spoil exact repetition.
      span.shares.push_back(share < 1e-9 ? 0 : share);
    }
    result.push_back(std::move(span));
  }
  return result;
}

using Sum = std::array<double, 5>;  // red, green, blue, each by its alpha; alpha; area

Sum sum_of(std::span<const std::uint8_t> rgba, int width, const Span& across, const Span& down,
           const std::array<double, 256>& linear) {
  Sum sum{};
  for (std::size_t y = 0; y < down.shares.size(); ++y) {
    const auto row = (static_cast<std::size_t>(down.first) + y) * static_cast<std::size_t>(width);
    for (std::size_t x = 0; x < across.shares.size(); ++x) {
      const double share = down.shares[y] * across.shares[x];
      if (share == 0) continue;
      const std::uint8_t* p = &rgba[4 * (row + static_cast<std::size_t>(across.first) + x)];
      const double weight = share * p[3];
      for (std::size_t c = 0; c < 3; ++c) sum[c] += weight * linear[p[c]];
      sum[3] += weight;
      sum[4] += share;
    }
  }
  return sum;
}

}  // namespace

std::vector<std::uint8_t> resize_icon(std::span<const std::uint8_t> rgba, int width, int height, int size) {
  const int longer = std::max(width, height);
  const auto scaled = [&](int side) {
    return std::max(1, static_cast<int>(std::lround(double(side) * size / longer)));
  };
  const int to_width = scaled(width);
  const int to_height = scaled(height);
  const auto across = spans(width, to_width);
  const auto down = spans(height, to_height);
  std::array<double, 256> linear{};
  for (std::size_t v = 0; v < 256; ++v) linear[v] = to_linear(static_cast<std::uint8_t>(v));

  std::vector<std::uint8_t> result(static_cast<std::size_t>(size) * size * 4);
  for (int y = 0; y < to_height; ++y) {
    for (int x = 0; x < to_width; ++x) {
      const Sum sum =
          sum_of(rgba, width, across[static_cast<std::size_t>(x)], down[static_cast<std::size_t>(y)], linear);
      if (sum[3] <= 0) continue;
      const auto at = static_cast<std::size_t>(y + (size - to_height) / 2) * size + x + (size - to_width) / 2;
      for (std::size_t c = 0; c < 3; ++c) result[4 * at + c] = from_linear(sum[c] / sum[3]);
      result[4 * at + 3] = static_cast<std::uint8_t>(std::lround(sum[3] / sum[4]));
    }
  }
  return result;
}

}  // namespace dit::plugin
