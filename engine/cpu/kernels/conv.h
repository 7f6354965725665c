// SPDX-License-Identifier: MIT
// Convolutions of 3×3. Units [first, last) of the work: any split gives the same bits.
#pragma once

#include <cstddef>
#include <cstdint>

#include "engine/model/model.h"

namespace dit::cpu {

/// y = act(w ∗ z + bias), or x + that; see op::Conv. A product by the executor's own tiles: outputs are its rows,
/// pixels its columns, channels times taps its depth, so that no number of channels leaves lanes idle. A unit is a
/// band: some rows of one image, whose pixels and those around are laid beside each other first. Every element is one
/// chain of multiply-adds over channels and taps in the weight's order.
struct Conv {
  const float* x = nullptr;             ///< [R,F,H,W]
  const float* picture = nullptr;       ///< [B,C,H,W] or null; row r reads picture r mod B
  const float* weight = nullptr;        ///< [O,F+C,3,3]
  const std::uint16_t* taps = nullptr;  ///< or the same by pack_taps (pairs/pairs.h): the products are in bf16 then
  const float* bias = nullptr;          ///< [O] or null
  std::size_t rows = 0, batch = 1;
  std::size_t first_row = 0;                          ///< r of the first of these rows
  std::size_t in = 0, picture_channels = 0, out = 0;  ///< F, C (0 without a picture), O
  std::size_t height = 0, width = 0;
  Activation activation = Activation::none;
  bool residual = false;
  float* y = nullptr;         ///< [R,O,H,W]
  std::size_t band_rows = 1;  ///< of a unit; see choose_band

  /// Rows of a band that its thread's caches hold, fewer where `threads` would have none to do.
  void choose_band(std::size_t threads) noexcept;
  std::size_t bands() const noexcept { return (height + band_rows - 1) / band_rows; }
  std::size_t units() const noexcept { return rows * bands(); }
  /// Floats of an output's sums over `band` rows, and of a channel of the pixels under and around them.
  std::size_t line(std::size_t band) const noexcept;
  std::size_t plane(std::size_t band) const noexcept;
  /// Planes of a band: channels, or their pairs, and two that are paired next.
  std::size_t planes() const noexcept {
    const std::size_t channels = in + picture_channels;
    return taps ? (channels + 1) / 2 + 2 : channels;
  }
  /// Floats of scratch that each thread needs.
  std::size_t scratch() const noexcept;
};
void conv(const Conv& conv, std::size_t first, std::size_t last, float* scratch) noexcept;

}  // namespace dit::cpu
