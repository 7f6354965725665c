// SPDX-License-Identifier: MIT
#include "plugin/stream.h"

#include <algorithm>
#include <utility>

#include "plugin/model_path.h"

namespace dit::plugin {
namespace {

/// emit=steps keeps every step of a batch; a batch that would need more than this is made smaller, and if one icon's
/// steps are still too many, only the latest is kept.
constexpr std::size_t max_picture_bytes = std::size_t{64} << 20;

}  // namespace

Stream::Stream(const Settings& settings)
    : session_(Session::open({.model = model_path(settings.model_location),
                              .device = settings.device,
                              .options = {.threads = settings.threads}})),
      batch_size_(settings.batch_size) {
  const ModelConfig& config = session_->model().config();
  picture_bytes_ = std::size_t{config.width} * config.height * 4;
}

std::string Stream::unknown_words(const Settings& settings) {
  if (checked_ && checked_->first == settings.prompt && checked_->second == settings.style) return {};
  const ModelConfig& config = session_->model().config();
  const std::string text = describe_unknown(config, parse_label(config, settings.prompt, settings.style));
  checked_.emplace(settings.prompt, settings.style);
  return text;
}

void Stream::take_settings(std::uint64_t frame, const Snapshot& settings, const Manner& manner) {
  const ModelConfig& config = session_->model().config();
  if (settings_ != settings || manner_.steps_limit != manner.steps_limit) {
    icon_ = settings->icon();
    wanted_steps_ = icon_.steps.value_or(config.default_steps);
    if (manner.steps_limit > 0 && manner.steps_limit < wanted_steps_) icon_.steps = manner.steps_limit;
    steps_ = icon_.steps.value_or(config.default_steps);
  }
  settings_ = settings;
  manner_ = manner;
  every_step_ = settings->every_step() && !manner.still;
  ahead_ = manner.still ? 1 : batch_size_;
  kept_steps_ = 1;
  if (every_step_) {
    const std::size_t fit = max_picture_bytes / (picture_bytes_ * steps_);
    ahead_ = static_cast<std::uint32_t>(std::clamp<std::size_t>(fit, 1, ahead_));
    if (fit > 0) kept_steps_ = steps_;
  }
  span_ = icons_.at(frame, every_step_ ? std::uint64_t{steps_} + settings->hold - 1 : 1);
}

void Stream::forget_position() noexcept {
  icons_.reset();
  span_ = {};
}

Picture Stream::paint(std::uint64_t frame) {
  const std::uint64_t position = frame - span_.first;
  const std::uint32_t step = every_step_ && position < steps_ ? static_cast<std::uint32_t>(position) + 1 : steps_;
  if (!covers(span_.index) || (kept_steps_ == 1 && batch_->done > step)) begin(span_.index);
  if (batch_->done < step) advance(step);
  const auto place = static_cast<std::uint32_t>(span_.index - batch_->first);
  return {.rgba = slot(place, step), .caption = caption(position, step)};
}

Caption Stream::caption(std::uint64_t position, std::uint32_t step) const {
  const ModelConfig& config = session_->model().config();
  const SolverStep& entry = schedule_.at(step - 1);
  return {.settings = settings_,
          .seed = icon_.seed,
          .icon = span_.index,
          .step = step,
          .steps = steps_,
          .wanted_steps = wanted_steps_,
          .t = entry.t,
          .sigma = entry.level.sigma,
          .guidance = icon_.guidance.value_or(config.default_guidance),
          .sampler = icon_.sampler ? *icon_.sampler : sampler_from_name(config.default_sampler),
          .finished = !every_step_ || position + 1 == steps_,
          .render_time = batch_->time / batch_->count};
}

bool Stream::covers(std::uint64_t icon) const noexcept {
  return batch_ && icon >= batch_->first && icon - batch_->first < batch_->count && batch_->every_step == every_step_ &&
         batch_settings_ == icon_;
}

void Stream::begin(std::uint64_t icon) {
  batch_.reset();
  const auto start = std::chrono::steady_clock::now();
  // Backwards, the batch ends with the icon that is wanted first.
  const std::uint64_t first = !manner_.reverse ? icon : icon - std::min<std::uint64_t>(icon, ahead_ - 1);
  session_->begin(icon_, first, ahead_);
  pictures_.resize(picture_bytes_ * ahead_ * kept_steps_);
  batch_settings_ = icon_;
  schedule_.assign(session_->schedule().begin(), session_->schedule().end());
  batch_ = Batch{
      .first = first, .count = ahead_, .every_step = every_step_, .time = std::chrono::steady_clock::now() - start};
}

void Stream::advance(std::uint32_t step) {
  // Taken out while the engine works, so that anything it throws leaves no half-painted batch behind.
  Batch batch = *std::exchange(batch_, std::nullopt);
  while (batch.done < step) {
    const auto start = std::chrono::steady_clock::now();
    const std::uint32_t next = batch.every_step ? batch.done + 1 : step;
    session_->advance(next);
    for (std::uint32_t i = 0; i < batch.count; ++i) session_->read(i, slot(i, next));
    batch.done = next;
    batch.time += std::chrono::steady_clock::now() - start;
  }
  batch_ = batch;
}

std::span<std::uint8_t> Stream::slot(std::uint32_t icon, std::uint32_t step) {
  const std::size_t place = std::size_t{icon} * kept_steps_ + (kept_steps_ > 1 ? step - 1 : 0);
  return std::span(pictures_).subspan(place * picture_bytes_, picture_bytes_);
}

}  // namespace dit::plugin
