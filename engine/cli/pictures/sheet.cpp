// SPDX-License-Identifier: MIT
#include "engine/cli/pictures/sheet.h"

#include <algorithm>

#include "engine/error.h"

namespace dit::cli {
namespace {

constexpr std::uint32_t margin = 8;
constexpr std::uint32_t white = 255;

/// `picture` over the opaque page, with its top left corner at (x0, y0).
void paste(Image& page, const Image& picture, std::uint32_t x0, std::uint32_t y0, std::uint32_t scale) {
  for (std::uint32_t y = 0; y < picture.height * scale; ++y) {
    for (std::uint32_t x = 0; x < picture.width * scale; ++x) {
      const std::size_t from = std::size_t{4} * (std::size_t{y / scale} * picture.width + x / scale);
      const std::size_t to = std::size_t{4} * (std::size_t{y0 + y} * page.width + x0 + x);
      const std::uint32_t alpha = picture.rgba[from + 3];
      for (std::size_t channel = 0; channel < 3; ++channel) {
        const std::uint32_t over = picture.rgba[from + channel] * alpha + white * (255 - alpha);
        page.rgba[to + channel] = static_cast<std::uint8_t>((over + 127) / 255);
      }
    }
  }
}

}  // namespace

void expect_sheet_fits(PictureSize picture, std::uint64_t pictures, std::uint32_t columns, std::uint32_t scale) {
  constexpr std::uint64_t most_side = 1'000'000, most_bytes = 1u << 30;
  const std::uint64_t across = std::min<std::uint64_t>(std::max(1u, columns), pictures);
  const std::uint64_t down = across == 0 ? 0 : (pictures + across - 1) / across;
  // Counts and sizes of 32 bits: no product leaves 64.
  const std::uint64_t width = across * (std::uint64_t{picture.width} * scale + margin) + margin;
  const std::uint64_t height = down * (std::uint64_t{picture.height} * scale + margin) + margin;
  expect(width <= most_side && height <= most_side && width * height * 4 <= most_bytes, ErrorKind::settings,
         "contact sheet: expected at most {} pixels a side and {} bytes, {} pictures in {} columns at scale {} make "
         "{}x{}; other --sheet-columns, a smaller --sheet-scale or --count would do",
         most_side, most_bytes, pictures, across, scale, width, height);
}

Image contact_sheet(std::span<const Image> pictures, std::uint32_t columns, std::uint32_t scale) {
  expect(!pictures.empty() && columns > 0 && scale > 0, ErrorKind::settings,
         "contact sheet: expected at least one picture, column and scale 1, found {}, {} and {}", pictures.size(),
         columns, scale);
  const Image& first = pictures.front();
  expect_sheet_fits({first.width, first.height}, pictures.size(), columns, scale);
  const auto count = static_cast<std::uint32_t>(pictures.size());
  columns = std::min(columns, count);
  const std::uint32_t rows = (count + columns - 1) / columns;
  const std::uint32_t across = first.width * scale + margin;
  const std::uint32_t down = first.height * scale + margin;

  Image page(columns * across + margin, rows * down + margin);
  std::fill(page.rgba.begin(), page.rgba.end(), static_cast<std::uint8_t>(white));
  for (std::uint32_t i = 0; i < count; ++i) {
    const Image& picture = pictures[i];
    expect(picture.width == first.width && picture.height == first.height, ErrorKind::settings,
           "contact sheet: picture {} expected {}x{}, found {}x{}", i, first.width, first.height, picture.width,
           picture.height);
    paste(page, picture, margin + i % columns * across, margin + i / columns * down, scale);
  }
  return page;
}

}  // namespace dit::cli
