// SPDX-License-Identifier: MIT
// A plan's mapped words: each run has an entry of the ring for what it is given and for the pictures it gives back.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>

#include "engine/network/noise.h"
#include "engine/vulkan/run/placement.h"

namespace dit::vulkan {

/// Words of Region::range: first step, step after the last, first stage, stage after the last, barriers to try.
using RangeWords = std::array<std::uint32_t, RANGE_WORDS>;

/// The placement must outlive it.
/// thread  one at a time; an entry is not to be written while the device may read it
class Ring {
 public:
  explicit Ring(const Placement& memory) : memory_(memory) {}

  void put_icons(std::uint32_t entry, std::span<const IconPoint> icons) const;
  void put_range(std::uint32_t entry, const RangeWords& words) const;
  /// Copies one icon's bytes of the entry's pictures; out has their size.
  void get_picture(std::uint32_t entry, std::uint32_t icon, std::span<std::uint8_t> out) const;

  /// Of persistent dispatches, which share one word.
  void clear_status() const;
  /// errors  device, naming `device`, if a dispatch gave up at its barrier
  void check_status(const std::string& device) const;

 private:
  void put_sketches(const Place& place, std::span<const IconPoint> icons) const;

  const Placement& memory_;
};

}  // namespace dit::vulkan
