// SPDX-License-Identifier: MIT
#include "plugin/encoders/palette.h"

#include <gif_lib.h>

#include <algorithm>
#include <unordered_map>

#include "plugin/encoders/encoder.h"

namespace dit::plugin {
namespace {

constexpr std::size_t most_colours = 256;

std::uint32_t rgb_at(std::span<const std::uint8_t> rgba, std::size_t pixel) {
  const std::uint8_t* p = &rgba[4 * pixel];
  return std::uint32_t{p[0]} << 16 | std::uint32_t{p[1]} << 8 | p[2];
}

/// Index of each opaque pixel if `most` colours are enough, in order of appearance; else nothing.
bool index_exactly(const std::vector<std::uint32_t>& opaque, std::size_t most, Paletted& result,
                   std::vector<std::uint8_t>& indices) {
  std::unordered_map<std::uint32_t, std::uint8_t> known;
  for (const std::uint32_t rgb : opaque) {
    const auto [found, added] = known.try_emplace(rgb, static_cast<std::uint8_t>(known.size()));
    if (known.size() > most) return false;
    if (added) {
      result.colours.push_back(
          {static_cast<std::uint8_t>(rgb >> 16), static_cast<std::uint8_t>(rgb >> 8), static_cast<std::uint8_t>(rgb)});
    }
    indices.push_back(found->second);
  }
  return true;
}

/// Median cut. giflib answers with five bits a channel, so every colour is then set to the mean of its own pixels.
void index_nearly(const std::vector<std::uint32_t>& opaque, std::size_t most, Paletted& result,
                  std::vector<std::uint8_t>& indices) {
  std::vector<GifByteType> red, green, blue;
  for (const std::uint32_t rgb : opaque) {
    red.push_back(static_cast<GifByteType>(rgb >> 16));
    green.push_back(static_cast<GifByteType>(rgb >> 8));
    blue.push_back(static_cast<GifByteType>(rgb));
  }
  int size = static_cast<int>(most);
  std::vector<GifColorType> map(most_colours);
  indices.resize(opaque.size());
  expect_frame(GifQuantizeBuffer(static_cast<unsigned>(opaque.size()), 1, &size, red.data(), green.data(), blue.data(),
                                 indices.data(), map.data()) == GIF_OK,
               "giflib: out of memory for a palette");
  std::array<std::array<std::uint64_t, 4>, most_colours> sums{};  // red, green, blue, pixels
  for (std::size_t i = 0; i < opaque.size(); ++i) {
    auto& sum = sums[indices[i]];
    sum[0] += red[i];
    sum[1] += green[i];
    sum[2] += blue[i];
    ++sum[3];
  }
  result.colours.assign(static_cast<std::size_t>(std::max(size, 1)), {0, 0, 0});
  for (std::size_t k = 0; k < result.colours.size(); ++k) {
    const auto& sum = sums[k];
    for (std::size_t channel = 0; channel < 3 && sum[3] > 0; ++channel) {
      result.colours[k][channel] = static_cast<std::uint8_t>((sum[channel] + sum[3] / 2) / sum[3]);
    }
  }
}

}  // namespace

Paletted make_palette(std::span<const std::uint8_t> rgba, unsigned alpha_threshold) {
  const std::size_t pixels = rgba.size() / 4;
  std::vector<std::uint32_t> opaque;
  opaque.reserve(pixels);
  for (std::size_t i = 0; i < pixels; ++i) {
    if (rgba[4 * i + 3] >= alpha_threshold) opaque.push_back(rgb_at(rgba, i));
  }
  const bool holes = opaque.size() < pixels;
  const std::size_t most = most_colours - (holes ? 1 : 0);

  Paletted result;
  std::vector<std::uint8_t> indices;
  if (!index_exactly(opaque, most, result, indices)) index_nearly(opaque, most, result, indices);
  if (holes) {
    result.transparent = static_cast<std::uint8_t>(result.colours.size());
    result.colours.push_back({0, 0, 0});
  }
  result.indices.reserve(pixels);
  std::size_t next = 0;
  for (std::size_t i = 0; i < pixels; ++i) {
    result.indices.push_back(rgba[4 * i + 3] >= alpha_threshold ? indices[next++] : *result.transparent);
  }
  return result;
}

}  // namespace dit::plugin
