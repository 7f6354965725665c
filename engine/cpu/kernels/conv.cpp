// SPDX-License-Identifier: MIT
// A band of an image is staged with zeros around it, its rows end to end with one zero between two, so that pixel q + 1
// is right of pixel q everywhere and a tap is an offset. Products then run over the pixels of the band as one line.
#include "engine/cpu/kernels/conv.h"

#include <algorithm>
#include <cstring>

#include "engine/cpu/kernels/pairs/pairs.h"
#include "engine/cpu/kernels/rows.h"
#include "engine/cpu/memory.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "engine/cpu/kernels/conv.cpp"
#include <hwy/foreach_target.h>

#include "engine/cpu/kernels/simd-inl.h"

HWY_BEFORE_NAMESPACE();
namespace dit::cpu::HWY_NAMESPACE {

/// Pixels under each tap of a channel, then of the next.
struct TapColumns {
  const float* values;          // under the first tap
  const std::ptrdiff_t* steps;  // [9]: from each tap's pixels to those of the next
  std::size_t tap;

  template <std::size_t W>
  HWY_INLINE void load(V (&column)[W]) {
    for (std::size_t i = 0; i < W; ++i) column[i] = hn::LoadU(tag, values + i * vector_floats);
    values += steps[tap];
    tap = tap == 8 ? 0 : tap + 1;
  }
};

/// A band in a thread's scratch.
struct Band {
  Band(const Conv& conv, std::size_t unit, float* all)
      : image(unit / conv.bands()),
        top(unit % conv.bands() * conv.band_rows),
        rows(std::min(conv.band_rows, conv.height - top)),
        stride(conv.width + 1),
        line(conv.line(rows)),
        plane(conv.plane(rows)),
        planes(all),
        sums(all + conv.planes() * plane) {}
  std::size_t image, top, rows;
  std::size_t stride;  // from a pixel to the one below it
  std::size_t line;    // floats of an output's sums
  std::size_t plane;   // floats of a channel
  float* planes;       // [F+C,plane]; of pairs: two in f32, then [pairs,plane]
  float* sums;         // [block_rows,line]
};

/// One channel of rows first − 1 to first + rows of an image.
HWY_INLINE void stage(const float* HWY_RESTRICT image, const Conv& conv, std::size_t first, std::size_t rows,
                      float* HWY_RESTRICT plane) {
  const std::size_t stride = conv.width + 1;
  for (std::size_t i = 0; i < rows + 2; ++i, plane += stride) {
    const std::size_t row = first + i - 1;  // wraps round above the image
    plane[0] = 0;
    if (row < conv.height) {
      std::memcpy(plane + 1, image + row * conv.width, conv.width * sizeof(float));
    } else {
      std::memset(plane + 1, 0, conv.width * sizeof(float));
    }
  }
  plane[0] = 0;
}

/// Channel c of the features, and after them of the picture.
HWY_INLINE void stage(const Conv& conv, const Band& band, std::size_t c, float* plane) {
  const std::size_t area = conv.height * conv.width;
  const float* x = conv.x + (band.image * conv.in + c) * area;
  if (c >= conv.in) {
    const float* picture = conv.picture + (conv.first_row + band.image) % conv.batch * conv.picture_channels * area;
    x = picture + (c - conv.in) * area;
  }
  stage(x, conv, band.top, band.rows, plane);
}

HWY_INLINE void stage(const Conv& conv, const Band& band) {
  const std::size_t channels = conv.in + conv.picture_channels;
  if (conv.taps == nullptr) {
    for (std::size_t c = 0; c < channels; ++c) stage(conv, band, c, band.planes + c * band.plane);
    return;
  }
  float *low = band.planes, *high = low + band.plane;
  for (std::size_t c = 0; c < channels; c += 2) {
    stage(conv, band, c, low);
    if (c + 1 < channels) {
      stage(conv, band, c + 1, high);
    } else {
      std::memset(high, 0, band.plane * sizeof(float));
    }
    join_bf16(low, high, band.plane, reinterpret_cast<std::uint32_t*>(band.planes + (2 + c / 2) * band.plane));
  }
}

/// Sums of `some` ≤ block_rows outputs from `output` on.
HWY_INLINE void multiply(const Conv& conv, const Band& band, std::size_t output, std::size_t some) {
  const std::size_t depth = 9 * (conv.in + conv.picture_channels);
  const auto down = static_cast<std::ptrdiff_t>(band.stride) - 2;
  const std::ptrdiff_t next = static_cast<std::ptrdiff_t>(band.plane - 2 * band.stride) - 2;
  const std::ptrdiff_t steps[9] = {1, 1, down, 1, 1, down, 1, 1, next};
  if (conv.taps) {
    const std::size_t pairs = tap_depth(conv.in + conv.picture_channels);
    const auto* pixels = reinterpret_cast<const std::uint32_t*>(band.planes + 2 * band.plane);
    multiply_taps({conv.taps + output * pairs, some, pairs, pixels, steps, band.line, band.sums});
    return;
  }
  for (std::size_t pixel = 0; pixel < band.line;) {
    const std::size_t width = tile_width((band.line - pixel) / vector_floats);
    for (std::size_t i = 0; i < some; i += tile_rows) {
      tile_of<TapColumns>(some - i, width)(conv.weight + (output + i) * depth, depth, {band.planes + pixel, steps, 0},
                                           depth, band.sums + i * band.line + pixel, band.line, false);
    }
    pixel += width * vector_floats;
  }
}

template <class Function>
HWY_INLINE void activate(const Function& function, float bias, std::size_t count, float* HWY_RESTRICT sums) {
  for (std::size_t i = 0; i < count; i += vector_floats)
    hn::Store(function(hn::Add(hn::Load(tag, sums + i), hn::Set(tag, bias))), tag, sums + i);
}

HWY_INLINE void activate(Activation kind, float bias, std::size_t count, float* HWY_RESTRICT sums) {
  switch (kind) {
    case Activation::silu:
      return activate([](V x) HWY_ATTR { return silu(x); }, bias, count, sums);
    case Activation::gelu_erf:
      return activate([](V x) HWY_ATTR { return gelu_erf(x); }, bias, count, sums);
    case Activation::gelu_tanh:
      return activate([](V x) HWY_ATTR { return gelu_tanh(x); }, bias, count, sums);
    case Activation::none:
      return activate([](V x) HWY_ATTR { return x; }, bias, count, sums);
  }
}

/// Bias, activation and what is added, and back to rows of the image. Between two rows lies what is no pixel.
HWY_INLINE void finish(const Conv& conv, const Band& band, std::size_t output, float* HWY_RESTRICT sums) {
  activate(conv.activation, conv.bias ? conv.bias[output] : 0.f, band.line, sums);
  const std::size_t at = ((band.image * conv.out + output) * conv.height + band.top) * conv.width;
  const float* HWY_RESTRICT x = conv.x + at;
  float* HWY_RESTRICT y = conv.y + at;
  for (std::size_t row = 0; row < band.rows; ++row, sums += band.stride, x += conv.width, y += conv.width) {
    if (!conv.residual) {
      std::memcpy(y, sums, conv.width * sizeof(float));
      continue;
    }
    for (std::size_t i = 0; i < conv.width; ++i) y[i] = x[i] + sums[i];
  }
}

void conv_units(const Conv& conv, std::size_t first, std::size_t last, float* all) {
  for (std::size_t unit = first; unit < last; ++unit) {
    const Band band(conv, unit, all);
    stage(conv, band);
    for (std::size_t output = 0; output < conv.out; output += block_rows) {
      const std::size_t some = std::min(block_rows, conv.out - output);
      multiply(conv, band, output, some);
      for (std::size_t i = 0; i < some; ++i) finish(conv, band, output + i, band.sums + i * band.line);
    }
  }
}

}  // namespace dit::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace dit::cpu {
namespace {
HWY_EXPORT(conv_units);

// Pixels of a band: eight rows of 64. Of 36 channels they take 97 kB with those around, a tenth of a second-level
// cache.
constexpr std::size_t band_pixels = 8 * 65;
}  // namespace

void Conv::choose_band(std::size_t threads) noexcept {
  const std::size_t all = rows * height, cached = std::max<std::size_t>(1, band_pixels / (width + 1));
  band_rows = std::min({height, cached, threads == 1 ? height : (all + 4 * threads - 1) / (4 * threads)});
}

std::size_t Conv::line(std::size_t band) const noexcept { return round_to_line(band * (width + 1) - 1); }

std::size_t Conv::plane(std::size_t band) const noexcept { return round_to_line(line(band) + 2 * (width + 1) + 2); }

std::size_t Conv::scratch() const noexcept { return planes() * plane(band_rows) + block_rows * line(band_rows); }

void conv(const Conv& conv, std::size_t first, std::size_t last, float* scratch) noexcept {
  HWY_DYNAMIC_DISPATCH(conv_units)(conv, first, last, scratch);
}

}  // namespace dit::cpu
#endif
