// SPDX-License-Identifier: MIT
// Sketches -> icons, on one engine session.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "plugin/shared/sizes.h"
#include "plugin/source/stream/prompts.h"
#include "plugin/source/stream/stream.h"

namespace dit::plugin {

/// All that an icon of a frame is a function of, besides the model.
struct Drawing {
  Snapshot settings;
  std::uint64_t index = 0;         ///< of the noise
  std::vector<std::uint8_t> rgba;  ///< see Sketch
  std::vector<std::uint8_t> mask;  ///< see Sketch

  /// By what they hold.
  bool operator==(const Drawing& other) const;
};

/// Whether two settings differ in nothing that a batch has in common.
bool same_but_strength(const Settings& a, const Settings& b);

/// What has been painted.
struct Icon {
  std::vector<std::uint8_t> rgba;  ///< height · width · 4, straight alpha
  Caption caption;
};

/// thread  cancel and resume from any; the others from one at a time
class SketchPainter {
 public:
  SketchPainter(std::shared_ptr<Engine> engine, const Settings& settings);

  const Session& session() const noexcept { return *session_; }
  Size size() const noexcept;
  /// Drawings of a batch.
  std::uint32_t batch_size() const noexcept { return batch_size_; }
  /// See Session.
  std::string take_warning() { return session_->take_warning(); }
  void cancel() noexcept { session_->cancel(); }
  void resume() noexcept { session_->resume(); }

  /// See Prompts::read.
  WordNotes take_settings(const Snapshot& settings);
  /// Paints 1 … batch_size() drawings; all are of the settings taken last, but for their strengths.
  /// errors  Cancelled, settings, device, out_of_memory
  std::vector<std::shared_ptr<const Icon>> paint(std::span<const Drawing* const> drawings);

 private:
  Caption caption(const Drawing& drawing) const;

  std::unique_ptr<Session> session_;
  std::uint32_t batch_size_;
  Prompts prompts_;
  Snapshot settings_;
  std::shared_ptr<const Itinerary> itinerary_;
  IconSettings icon_;
  std::vector<IconPoint> points_;
};

}  // namespace dit::plugin
