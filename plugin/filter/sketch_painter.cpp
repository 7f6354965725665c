// SPDX-License-Identifier: MIT
#include "plugin/filter/sketch_painter.h"

#include <algorithm>
#include <chrono>
#include <utility>

namespace dit::plugin {

bool Drawing::operator==(const Drawing& other) const {
  return index == other.index && (settings == other.settings || *settings == *other.settings) && rgba == other.rgba &&
         mask == other.mask;
}

bool same_but_strength(const Settings& a, const Settings& b) {
  if (&a == &b) return true;
  Settings alike = a;
  alike.strength = b.strength;
  return alike == b;
}

SketchPainter::SketchPainter(std::shared_ptr<Engine> engine, const Settings& settings)
    : session_(Session::open(std::move(engine))), batch_size_(settings.batch_size) {}

Size SketchPainter::size() const noexcept {
  const ModelConfig& config = session_->model().config();
  return {static_cast<int>(config.width), static_cast<int>(config.height)};
}

WordNotes SketchPainter::take_settings(const Snapshot& settings) {
  if (settings == settings_) return {};
  auto itinerary = std::make_shared<const Itinerary>(*settings);
  WordNotes notes = prompts_.read(session_->model().config(), *itinerary, session_->cancelled());
  itinerary_ = std::move(itinerary);
  icon_ = itinerary_->common();
  prompts_.aim(*itinerary_, itinerary_->station(0), icon_);
  settings_ = settings;
  return notes;
}

std::vector<std::shared_ptr<const Icon>> SketchPainter::paint(std::span<const Drawing* const> drawings) {
  const auto start = std::chrono::steady_clock::now();
  points_.clear();
  // A batch cut short is filled up with its last drawing: another size would need another plan.
  for (std::size_t i = 0; i < batch_size_; ++i) {
    const Drawing& drawing = *drawings[std::min(i, drawings.size() - 1)];
    IconPoint point = itinerary_->station(drawing.index).point;
    point.sketch = {.rgba = drawing.rgba, .mask = drawing.mask, .strength = drawing.settings->strength};
    points_.push_back(point);
  }
  session_->begin(icon_, points_);
  session_->advance(session_->steps());
  std::vector<std::shared_ptr<const Icon>> icons;
  const auto count = static_cast<std::int64_t>(drawings.size());
  for (std::uint32_t i = 0; i < drawings.size(); ++i) {
    auto icon = std::make_shared<Icon>();
    icon->rgba.resize(drawings[i]->rgba.size());
    session_->read(i, icon->rgba);
    icon->caption = caption(*drawings[i]);
    icon->caption.render_time = (std::chrono::steady_clock::now() - start) / count;
    if (const auto gpu_time = session_->device_time()) icon->caption.gpu_time = *gpu_time / count;
    icons.push_back(std::move(icon));
  }
  return icons;
}

Caption SketchPainter::caption(const Drawing& drawing) const {
  const ModelConfig& config = session_->model().config();
  const std::uint32_t wanted = icon_.steps.value_or(config.default_steps);
  const Sampler sampler = icon_.sampler ? *icon_.sampler : sampler_from_name(config.default_sampler);
  const double guidance = icon_.guidance.value_or(config.default_guidance);
  // Of its own strength: session_->schedule() is that of the longest in the batch.
  const auto table = solver_table(config, sampler, wanted, guidance, drawing.settings->strength);
  const auto steps = static_cast<std::uint32_t>(table.size());
  return {.settings = drawing.settings,
          .itinerary = itinerary_,
          .label = prompts_.label(itinerary_->station(0)),
          .station = itinerary_->station(drawing.index),
          .icon = drawing.index,
          .step = steps,
          .steps = steps,
          .wanted_steps = wanted,
          .t = table.back().t,
          .sigma = table.back().level.sigma,
          .guidance = guidance,
          .strength = drawing.settings->strength,
          .sampler = sampler,
          .finished = true,
          .render_time = {},
          .gpu_time = {}};
}

}  // namespace dit::plugin
