// SPDX-License-Identifier: MIT
#include "engine/session/sketches.h"

#include <algorithm>

#include "engine/error.h"

namespace dit {
namespace {

/// A sketch that leaves a trace: what begins as noise alone and is held nowhere needs no plan of its own.
bool counts(const Sketch& sketch) { return !sketch.rgba.empty() && (sketch.strength < 1 || !sketch.mask.empty()); }

void check(const ModelConfig& config, const Sketch& sketch, std::size_t icon) {
  const std::size_t pixels = std::size_t{config.width} * config.height;
  expect(sketch.strength >= 0 && sketch.strength <= 1, ErrorKind::settings,
         "icon {}: strength: expected 0 to 1, found {}", icon, sketch.strength);
  expect(!sketch.rgba.empty() || (sketch.strength == 1 && sketch.mask.empty()), ErrorKind::settings,
         "icon {}: {}: expected a sketch to begin with, found none", icon, sketch.mask.empty() ? "strength" : "mask");
  expect(sketch.rgba.empty() || sketch.rgba.size() == 4 * pixels, ErrorKind::settings,
         "icon {}: sketch: expected {} bytes for {}x{} pixels of RGBA, found {}", icon, 4 * pixels, config.width,
         config.height, sketch.rgba.size());
  expect(sketch.mask.empty() || sketch.mask.size() == pixels, ErrorKind::settings,
         "icon {}: mask: expected {} bytes for {}x{} pixels, found {}", icon, pixels, config.width, config.height,
         sketch.mask.size());
}

}  // namespace

void describe_batch(const ModelConfig& config, std::span<const IconPoint> icons, BatchKind& kind) {
  kind.strengths.resize(icons.size());
  kind.pipeline = kind.sketches = kind.masks = false;
  for (std::size_t i = 0; i < icons.size(); ++i) {
    const Sketch& sketch = icons[i].sketch;
    check(config, sketch, i);
    kind.strengths[i] = sketch.effective_strength();
    if (!counts(sketch)) continue;
    kind.sketches = true;
    kind.masks |= !sketch.mask.empty();
  }
}

void expect_of_kind(const ModelConfig& config, const IconPoint& icon, const BatchKind& kind) {
  const Sketch& sketch = icon.sketch;
  check(config, sketch, 0);
  expect(sketch.effective_strength() == kind.strengths.front(), ErrorKind::settings,
         "pipeline: expected icons of strength {}, found one of {}", kind.strengths.front(),
         sketch.effective_strength());
  expect(kind.masks || sketch.mask.empty(), ErrorKind::settings, "pipeline: expected icons without a mask, found one");
}

void KeptSketches::keep(std::span<IconPoint> icons) {
  for (std::size_t i = 0; i < icons.size(); ++i) keep(icons[i], i, icons.size());
}

void KeptSketches::keep(IconPoint& icon, std::size_t place, std::size_t places) {
  if (!counts(icon.sketch)) {
    icon.sketch = {};
    return;
  }
  if (bytes_.size() < places * pixels_ * 5) bytes_.resize(places * pixels_ * 5);
  icon.sketch.keep_at(bytes_.data() + place * pixels_ * 5, pixels_);
}

}  // namespace dit
