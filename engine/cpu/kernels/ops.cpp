// SPDX-License-Identifier: MIT
// The element-wise loops. Too little work for hand-written SIMD, and the same bits on every processor this way.
#include "engine/cpu/kernels/ops.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>

#include "engine/network/noise.h"

namespace dit::cpu {
namespace {

/// Offset of the first pixel of token t of image `index`, channel 0.
std::size_t token_offset(std::size_t channels, std::size_t height, std::size_t width, std::size_t patch,
                         std::size_t token) {
  const std::size_t across = width / patch;
  const std::size_t tokens = height / patch * across;
  const std::size_t in_image = token % tokens;
  return token / tokens * channels * height * width + in_image / across * patch * width + in_image % across * patch;
}

/// Patches where windows overlap.
void windows(const Patches& p, std::size_t first, std::size_t last) noexcept {
  const std::size_t across = p.width / p.patch, tokens = p.height / p.patch * across;
  const std::size_t border = (p.window - p.patch) / 2;
  float* out = p.out + first * p.channels * p.window * p.window;
  for (std::size_t token = first; token < last; ++token) {
    const float* image = p.x + token / tokens * p.channels * p.height * p.width;
    // Above or left of the image these wrap round; a row's part within the image starts at `from`.
    const std::size_t top = token % tokens / across * p.patch - border, leftmost = token % across * p.patch - border;
    const std::size_t from = leftmost < p.width ? 0 : 0 - leftmost;
    const std::size_t count = std::min(p.window - from, p.width - (leftmost + from));
    for (std::size_t c = 0; c < p.channels; ++c) {
      for (std::size_t y = top; y != top + p.window; ++y, out += p.window) {
        std::fill_n(out, p.window, 0.f);
        if (y < p.height)
          std::memcpy(out + from, image + (c * p.height + y) * p.width + leftmost + from, count * sizeof(float));
      }
    }
  }
}

/// Where the window of grid line `line` lies over the patch of grid line `own`, along one axis.
struct Overlap {
  Overlap(std::size_t own, std::size_t line, std::size_t patch, std::size_t border) {
    const std::size_t begin = std::max(own * patch + border, line * patch);
    const std::size_t end = std::min((own + 1) * patch + border, line * patch + patch + 2 * border);
    count = begin < end ? end - begin : 0;
    in_patch = begin - own * patch - border;
    in_window = begin - line * patch;
  }
  std::size_t count, in_patch, in_window;
};

/// Unpatches where windows overlap: each patch gathers what the windows over it say, in the order of the tokens.
void overlap_add(const Unpatches& p, std::size_t first, std::size_t last) noexcept {
  const std::size_t across = p.width / p.patch, down = p.height / p.patch, area = p.window * p.window;
  const std::size_t border = (p.window - p.patch) / 2, reach = (border + p.patch - 1) / p.patch;
  for (std::size_t token = first; token < last; ++token) {
    const std::size_t gy = token % (across * down) / across, gx = token % across;
    const float* image = p.features + token / (across * down) * across * down * p.channels * area;
    float* corner = p.y + token_offset(p.channels, p.height, p.width, p.patch, token);
    for (std::size_t i = 0; i < p.channels * p.patch; ++i)
      std::fill_n(corner + (i / p.patch * p.height + i % p.patch) * p.width, p.patch, 0.f);
    for (std::size_t wy = gy - std::min(gy, reach); wy < std::min(down, gy + reach + 1); ++wy) {
      const Overlap rows(gy, wy, p.patch, border);
      for (std::size_t wx = gx - std::min(gx, reach); wx < std::min(across, gx + reach + 1); ++wx) {
        const Overlap columns(gx, wx, p.patch, border);
        const float* window = image + (wy * across + wx) * p.channels * area;
        for (std::size_t i = 0; i < p.channels * rows.count; ++i) {
          const std::size_t c = i / rows.count, y = i % rows.count;
          const float* in = window + c * area + (rows.in_window + y) * p.window + columns.in_window;
          float* out = corner + (c * p.height + rows.in_patch + y) * p.width + columns.in_patch;
          for (std::size_t x = 0; x < columns.count; ++x) out[x] += in[x];
        }
      }
    }
  }
}

}  // namespace

void patches(const Patches& p, std::size_t first, std::size_t last) noexcept {
  if (p.window != p.patch) return windows(p, first, last);
  float* out = p.out + first * p.channels * p.patch * p.patch;
  for (std::size_t token = first; token < last; ++token) {
    const float* corner = p.x + token_offset(p.channels, p.height, p.width, p.patch, token);
    for (std::size_t c = 0; c < p.channels; ++c)
      for (std::size_t y = 0; y < p.patch; ++y, out += p.patch)
        std::memcpy(out, corner + (c * p.height + y) * p.width, p.patch * sizeof(float));
  }
}

void unpatches(const Unpatches& p, std::size_t first, std::size_t last) noexcept {
  if (p.window != p.patch) return overlap_add(p, first, last);
  const float* in = p.features + first * p.channels * p.patch * p.patch;
  for (std::size_t token = first; token < last; ++token) {
    float* corner = p.y + token_offset(p.channels, p.height, p.width, p.patch, token);
    for (std::size_t c = 0; c < p.channels; ++c)
      for (std::size_t y = 0; y < p.patch; ++y, in += p.patch)
        std::memcpy(corner + (c * p.height + y) * p.width, in, p.patch * sizeof(float));
  }
}

void combine(const Combine& o, std::size_t first, std::size_t last) noexcept {
  const SolverRow& w = o.row;
  const float other = 1.f - w.guidance;
  std::array<float, 256> noise;
  for (std::size_t start = first; start < last; start += noise.size()) {
    const std::size_t count = std::min(noise.size(), last - start);
    if (w.c != 0.f) fill_normals(o.icon, o.draw, static_cast<std::uint32_t>(start), {noise.data(), count});
    for (std::size_t i = 0; i < count; ++i) {
      const std::size_t at = start + i;
      // A zero coefficient means "not read": 0 · NaN would be NaN.
      float e = 0.f;
      if (o.unconditional == nullptr) {
        e = o.conditional[at];
      } else {
        if (w.guidance != 0.f) e = w.guidance * o.conditional[at];
        if (other != 0.f) e += other * o.unconditional[at];
      }
      float d = 0.f;
      if (w.from_x != 0.f) d = w.from_x * o.x[at];
      if (w.from_e != 0.f) d += w.from_e * e;
      o.history[0][at] = d;
      float next = 0.f;
      if (w.a != 0.f) next = w.a * o.x[at];
      if (w.b[0] != 0.f) next += w.b[0] * d;
      if (w.b[1] != 0.f) next += w.b[1] * o.history[1][at];
      if (w.b[2] != 0.f) next += w.b[2] * o.history[2][at];
      if (w.b[3] != 0.f) next += w.b[3] * o.history[3][at];
      if (w.c != 0.f) next += w.c * noise[i];
      o.x[at] = next;
    }
  }
}

void to_rgba(const ToRgba& o, std::size_t first, std::size_t last) noexcept {
  // NaN fails the first comparison and becomes 0.
  const auto unit = [](float x) {
    const float v = (x + 1.f) * 0.5f;
    return v > 0.f ? std::min(v, 1.f) : 0.f;
  };
  const float half = o.rounding == Rounding::nearest ? 0.5f : 0.f;
  const auto byte = [half](float v) { return static_cast<std::uint8_t>(std::floor(255.f * v + half)); };
  const std::size_t channels = o.premultiplied ? 4 : 3;
  for (std::size_t i = first; i < last; ++i) {
    const float alpha = o.premultiplied ? unit(o.x[3 * o.pixels + i]) : 1.f;
    std::uint8_t* out = o.rgba + 4 * i;
    bool finite = true;
    for (std::size_t c = 0; c < channels; ++c) finite &= std::isfinite(o.x[c * o.pixels + i]);
    if (!finite) {  // as shaders/common/picture.glsl marks it
      std::fill_n(out, 3, std::uint8_t{255});
      out[3] = 0;
      continue;
    }
    out[3] = byte(alpha);
    for (std::size_t c = 0; c < 3; ++c)
      out[c] = out[3] == 0 ? 0 : byte(std::min(unit(o.x[c * o.pixels + i]), alpha) / alpha);
  }
}

}  // namespace dit::cpu
