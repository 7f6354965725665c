// SPDX-License-Identifier: MIT
// What a batch's icons begin with: checked, and kept while somebody may paint from it.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "engine/executor.h"
#include "engine/model/model.h"

namespace dit {

/// What a plan and its tables must know of the icons of a batch before these are there.
struct BatchKind {
  std::vector<double> strengths;  ///< of each icon; see Sketch::effective_strength
  bool pipeline = false;          ///< icons at different steps
  bool sketches = false;          ///< some icon begins with a sketch
  bool masks = false;             ///< and some of it is held
  bool operator==(const BatchKind&) const = default;
};

/// Makes `kind` that of a batch of these icons; allocates where there are more than before.
/// errors  settings, naming the icon: a strength that is none, or below 1 without a sketch; bytes of another size
void describe_batch(const ModelConfig& config, std::span<const IconPoint> icons, BatchKind& kind);
/// Whether an icon is one that a pipeline of this kind takes.
/// errors  settings
void expect_of_kind(const ModelConfig& config, const IconPoint& icon, const BatchKind& kind);

/// Bytes of sketches.
class KeptSketches {
 public:
  /// pixels  of a sketch
  explicit KeptSketches(std::size_t pixels) : pixels_(pixels) {}

  /// Copies the bytes that the icons refer to, which are checked; they refer to these from now on, until the next call
  /// for as many icons or more. Allocates where there are more than before. A sketch that leaves no trace is dropped.
  void keep(std::span<IconPoint> icons);
  /// The same for one of `places` icons, each of which has a place of its own.
  void keep(IconPoint& icon, std::size_t place, std::size_t places);

 private:
  std::size_t pixels_;
  std::vector<std::uint8_t> bytes_;
};

}  // namespace dit
