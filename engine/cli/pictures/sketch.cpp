// SPDX-License-Identifier: MIT
#include "engine/cli/pictures/sketch.h"

#include <array>

#include "engine/error.h"

namespace dit::cli {
namespace {

constexpr std::uint32_t most_times = 64;

/// Sums over a square of `times` pixels a side: colours weighted by alpha, and alpha.
std::array<std::uint64_t, 4> sums(const Image& image, std::uint32_t x, std::uint32_t y, std::uint32_t times) {
  std::array<std::uint64_t, 4> sum{};
  for (std::uint32_t line = y * times; line < (y + 1) * times; ++line) {
    for (std::uint32_t column = x * times; column < (x + 1) * times; ++column) {
      const std::uint8_t* pixel = &image.rgba[std::size_t{4} * (std::size_t{line} * image.width + column)];
      for (std::size_t c = 0; c < 3; ++c) sum[c] += std::uint64_t{pixel[c]} * pixel[3];
      sum[3] += pixel[3];
    }
  }
  return sum;
}

std::uint8_t rounded(std::uint64_t sum, std::uint64_t count) {
  return static_cast<std::uint8_t>((sum + count / 2) / count);
}

/// Reads no pixel of a file whose size does not fit.
Image read_fitting(const std::filesystem::path& path, std::uint32_t width, std::uint32_t height) {
  return read_png(path, [&](std::uint32_t w, std::uint32_t h) {
    const std::uint32_t times = w / width;
    expect(times >= 1 && times <= most_times && w == times * width && h == times * height, ErrorKind::settings,
           "'{}': expected a picture of {}x{} pixels, or 2 to {} times that both ways, found {}x{}", path.string(),
           width, height, most_times, w, h);
  });
}

}  // namespace

Image read_sketch(const std::filesystem::path& path, std::uint32_t width, std::uint32_t height) {
  Image image = read_fitting(path, width, height);
  const std::uint32_t times = image.width / width;
  if (times == 1) return image;
  Image small(width, height);
  for (std::uint32_t i = 0; i < width * height; ++i) {
    const auto sum = sums(image, i % width, i / width, times);
    std::uint8_t* pixel = &small.rgba[std::size_t{4} * i];
    for (std::size_t c = 0; c < 3 && sum[3] > 0; ++c) pixel[c] = rounded(sum[c], sum[3]);
    pixel[3] = rounded(sum[3], std::uint64_t{times} * times);
  }
  return small;
}

SketchFiles::SketchFiles(const std::string& from, const std::string& mask, std::uint32_t width, std::uint32_t height) {
  if (!from.empty()) picture_ = read_sketch(from, width, height);
  if (!mask.empty()) mask_ = read_mask(mask, width, height);
}

Sketch SketchFiles::of_strength(double strength) const {
  if (picture_.rgba.empty()) return {};
  return {.rgba = picture_.rgba, .mask = mask_, .strength = strength};
}

void add_from_options(CLI::App& command, std::string& from, std::string& mask) {
  CLI::Option* option =
      command
          .add_option("--from", from, "A PNG to begin with instead of noise, of the model's size or a multiple of it")
          ->option_text("FILE");
  command.add_option("--mask", mask, "A PNG as large: white is painted, black or clear keeps the picture as it is")
      ->option_text("FILE")
      ->needs(option);
}

std::vector<std::uint8_t> read_mask(const std::filesystem::path& path, std::uint32_t width, std::uint32_t height) {
  const Image image = read_fitting(path, width, height);
  const std::uint32_t times = image.width / width;
  std::vector<std::uint8_t> mask;
  for (std::uint32_t i = 0; i < width * height; ++i) {
    const auto sum = sums(image, i % width, i / width, times);
    mask.push_back(rounded(sum[0] + sum[1] + sum[2], std::uint64_t{3} * 255 * times * times));
  }
  return mask;
}

}  // namespace dit::cli
