// SPDX-License-Identifier: MIT
#include "plugin/filter/sketch_pixels.h"

#include <algorithm>
#include <array>

#include "plugin/shared/pixel_bytes.h"

namespace dit::plugin {
namespace {

using Rgba = std::array<std::uint8_t, 4>;

class Reader {
 public:
  explicit Reader(const GstVideoFrame& frame)
      : bytes_(frame.info.finfo),
        gray_(GST_VIDEO_FORMAT_INFO_IS_GRAY(frame.info.finfo)),
        alpha_(GST_VIDEO_FORMAT_INFO_HAS_ALPHA(frame.info.finfo)),
        stride_(static_cast<std::size_t>(GST_VIDEO_FRAME_PLANE_STRIDE(&frame, 0))),
        data_(static_cast<const std::uint8_t*>(GST_VIDEO_FRAME_PLANE_DATA(&frame, 0))) {}

  Rgba at(std::size_t x, std::size_t y) const {
    const std::uint8_t* p = data_ + y * stride_ + x * bytes_.size;
    if (gray_) return {p[0], p[0], p[0], 255};
    return {p[bytes_.r], p[bytes_.g], p[bytes_.b], alpha_ ? p[bytes_.fourth] : std::uint8_t{255}};
  }

 private:
  PixelBytes bytes_;
  bool gray_, alpha_;
  std::size_t stride_;
  const std::uint8_t* data_;
};

std::uint8_t rounded(std::uint64_t sum, std::uint64_t count) {
  return static_cast<std::uint8_t>((sum + count / 2) / count);
}

/// Of the square whose first pixel is (x, y).
Rgba mean(const Reader& reader, std::size_t x, std::size_t y, std::size_t times) {
  std::array<std::uint64_t, 4> sum{};
  for (std::size_t line = y; line < y + times; ++line) {
    for (std::size_t column = x; column < x + times; ++column) {
      const Rgba pixel = reader.at(column, line);
      for (std::size_t c = 0; c < 3; ++c) sum[c] += std::uint64_t{pixel[c]} * pixel[3];
      sum[3] += pixel[3];
    }
  }
  Rgba result{};
  for (std::size_t c = 0; c < 3 && sum[3] > 0; ++c) result[c] = rounded(sum[c], sum[3]);
  result[3] = rounded(sum[3], times * times);
  return result;
}

}  // namespace

void read_sketch(const GstVideoFrame& frame, Size model, std::vector<std::uint8_t>& rgba) {
  const Reader reader(frame);
  const auto width = static_cast<std::size_t>(model.width);
  const auto height = static_cast<std::size_t>(model.height);
  const auto times = static_cast<std::size_t>(GST_VIDEO_FRAME_WIDTH(&frame)) / width;
  rgba.resize(width * height * 4);
  std::uint8_t* out = rgba.data();
  for (std::size_t y = 0; y < height; ++y) {
    for (std::size_t x = 0; x < width; ++x, out += 4) {
      const Rgba pixel = times == 1 ? reader.at(x, y) : mean(reader, x * times, y * times, times);
      std::copy(pixel.begin(), pixel.end(), out);
    }
  }
}

std::vector<std::uint8_t> mask_of(const std::vector<std::uint8_t>& rgba) {
  std::vector<std::uint8_t> mask;
  mask.reserve(rgba.size() / 4);
  for (std::size_t i = 3; i < rgba.size(); i += 4) mask.push_back(static_cast<std::uint8_t>(255 - rgba[i]));
  return mask;
}

}  // namespace dit::plugin
