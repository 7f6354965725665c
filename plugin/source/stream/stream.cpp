// SPDX-License-Identifier: MIT
#include "plugin/source/stream/stream.h"

#include <algorithm>
#include <utility>

namespace dit::plugin {
namespace {

using Clock = std::chrono::steady_clock;

/// emit=steps keeps every step of a batch; a batch that would need more than this is made smaller, and if one icon's
/// steps are still too many, only the latest is kept.
constexpr std::size_t max_picture_bytes = std::size_t{64} << 20;

void add(std::optional<std::chrono::nanoseconds>& sum, std::optional<std::chrono::nanoseconds> more) {
  if (more) sum = sum.value_or(std::chrono::nanoseconds{}) + *more;
}

}  // namespace

Stream::Stream(std::shared_ptr<Engine> engine, const Settings& settings)
    : session_(Session::open(std::move(engine))), batch_size_(settings.batch_size), pipelined_(settings.pipelined) {
  const ModelConfig& config = session_->model().config();
  picture_bytes_ = std::size_t{config.width} * config.height * 4;
}

WordNotes Stream::read_prompts(const Itinerary& itinerary) {
  return prompts_.read(session_->model().config(), itinerary, session_->cancelled());
}

WordNotes Stream::take_settings(std::uint64_t frame, const Snapshot& settings, const Manner& manner) {
  const ModelConfig& config = session_->model().config();
  WordNotes notes;
  if (settings_ != settings) {
    auto itinerary = std::make_shared<const Itinerary>(*settings);
    notes = read_prompts(*itinerary);
    // Kept if nothing of it has changed, and with it what has been painted ahead.
    if (!itinerary_ || *itinerary != *itinerary_) itinerary_ = std::move(itinerary);
  }
  settings_ = settings;
  manner_ = manner;
  icon_.style = itinerary_->common().style;
  icon_.sampler = itinerary_->common().sampler;
  icon_.guidance = itinerary_->common().guidance;
  wanted_steps_ = itinerary_->common().steps.value_or(config.default_steps);
  steps_ = manner.steps_limit > 0 ? std::min(manner.steps_limit, wanted_steps_) : wanted_steps_;
  icon_.steps = steps_;
  every_step_ = settings->every_step() && !manner.still;
  new_batch_ = manner.still ? 1 : batch_size_;
  kept_steps_ = 1;
  if (every_step_) {
    const std::size_t fit = max_picture_bytes / (picture_bytes_ * steps_);
    new_batch_ = static_cast<std::uint32_t>(std::clamp<std::size_t>(fit, 1, new_batch_));
    if (fit > 0) kept_steps_ = steps_;
  }
  span_ = icons_.at(frame, every_step_ ? std::uint64_t{steps_} + settings->hold - 1 : 1);
  return notes;
}

void Stream::forget_position() noexcept {
  icons_.reset();
  span_ = {};
  asked_.reset();
}

Picture Stream::paint(std::uint64_t frame) {
  const std::uint64_t position = frame - span_.first;
  const std::uint32_t step = every_step_ && position < steps_ ? static_cast<std::uint32_t>(position) + 1 : steps_;
  if (asked_ != span_.index) {
    in_order_ = !asked_ || (manner_.reverse ? span_.index + 1 == *asked_ : span_.index == *asked_ + 1);
    asked_ = span_.index;
  }
  const bool pipeline = pipelined_ && !every_step_ && !manner_.still && new_batch_ > 1 && !itinerary_->changes_prompt();
  if (pipeline) {
    next_of_pipeline(span_.index);
    return {.rgba = kept_picture(0, 1), .caption = caption(position, step)};
  }
  if (!covers(span_.index) || (kept_steps_ == 1 && batch_->done > step)) begin(span_.index);
  if (batch_->done < step) advance(step);
  const auto place = static_cast<std::uint32_t>(span_.index - batch_->first);
  return {.rgba = kept_picture(place, step), .caption = caption(position, step)};
}

Caption Stream::caption(std::uint64_t position, std::uint32_t step) const {
  const ModelConfig& config = session_->model().config();
  const SolverStep& entry = schedule_.at(step - 1);
  Caption result = {.settings = settings_,
                    .itinerary = itinerary_,
                    .label = prompts_.label(itinerary_->station(span_.index)),
                    .station = itinerary_->station(span_.index),
                    .icon = span_.index,
                    .step = step,
                    .steps = steps_,
                    .wanted_steps = wanted_steps_,
                    .t = entry.t,
                    .sigma = entry.level.sigma,
                    .guidance = icon_.guidance.value_or(config.default_guidance),
                    .sampler = icon_.sampler ? *icon_.sampler : sampler_from_name(config.default_sampler),
                    .finished = !every_step_ || position + 1 == steps_,
                    .once_more = every_step_ && position >= steps_,
                    .render_time = batch_->time / batch_->count,
                    .gpu_time = {}};
  if (batch_->gpu_time) result.gpu_time = *batch_->gpu_time / batch_->count;
  return result;
}

/// True if what the session has is of the present settings.
bool Stream::fits(bool pipelined) const noexcept {
  return batch_ && batch_->pipelined == pipelined && batch_->itinerary == itinerary_ && batch_->steps == steps_ &&
         batch_->every_step == every_step_;
}

bool Stream::covers(std::uint64_t icon) const noexcept {
  return fits(false) && icon >= batch_->first && icon - batch_->first < batch_->count;
}

/// Points of a batch for the icon that is wanted first.
Stream::IconRange Stream::choose_points(std::uint64_t icon) {
  // Backwards, the batch ends with the icon that is wanted first. Icons between other prompts are another batch.
  const auto [leg_first, leg_last] = itinerary_->leg(icon);
  std::uint64_t first = icon;
  if (manner_.reverse) first = icon - std::min<std::uint64_t>(icon - leg_first, new_batch_ - 1);
  const auto count = static_cast<std::uint32_t>(std::min<std::uint64_t>(new_batch_ - 1, leg_last - first)) + 1;
  points_.clear();
  // A batch cut short is filled up with its last icon: another size would need another plan.
  for (std::uint32_t i = 0; i < new_batch_; ++i) {
    points_.push_back(itinerary_->station(first + std::min(i, count - 1)).point);
  }
  return {first, count};
}

void Stream::begin(std::uint64_t icon) {
  batch_.reset();
  const auto start = Clock::now();
  const IconRange range = choose_points(icon);
  prompts_.aim(*itinerary_, itinerary_->station(icon), icon_);
  const Announced wanted = {.itinerary = itinerary_, .steps = steps_, .size = new_batch_, .icons = range};
  if (std::exchange(announced_, std::nullopt) == wanted && !every_step_) {
    session_->begin_announced();
  } else {
    session_->begin(icon_, points_, every_step_ ? Pace::step_by_step : Pace::whole);
  }
  pictures_.resize(picture_bytes_ * new_batch_ * kept_steps_);
  schedule_.assign(session_->schedule().begin(), session_->schedule().end());
  batch_ = Batch{.itinerary = itinerary_,
                 .steps = steps_,
                 .first = range.first,
                 .count = range.count,
                 .every_step = every_step_,
                 .time = Clock::now() - start,
                 .gpu_time = {}};
}

void Stream::advance(std::uint32_t step) {
  // Taken out while the engine works, so that anything it throws leaves no half-painted batch behind.
  Batch batch = *std::exchange(batch_, std::nullopt);
  while (batch.done < step) {
    const auto start = Clock::now();
    const std::uint32_t next = batch.every_step ? batch.done + 1 : step;
    if (next == steps_) announce(batch);
    session_->advance(next);
    const std::optional<Time> gpu_time = session_->device_time();
    for (std::uint32_t i = 0; i < batch.count; ++i) session_->read(i, kept_picture(i, next));
    batch.done = next;
    // A batch that was announced has cost more than is seen of it here.
    batch.time += std::max<Time>(Clock::now() - start, gpu_time.value_or(Time{}));
    add(batch.gpu_time, gpu_time);
  }
  batch_ = std::move(batch);
}

/// Tells the device of the batch after this one before this one is waited for, so that it goes from one to the next by
/// itself, however long the pictures take to be copied and sent: where that batch is known, and is run all at once. Not
/// where steps follow the time that icons take, which would be hidden.
void Stream::announce(const Batch& batch) {
  if (!in_order_ || batch.every_step || manner_.still || itinerary_->changes_prompt()) return;
  if (settings_->min_steps > 0) return;
  if (manner_.reverse && batch.first == 0) return;
  const IconRange range = choose_points(manner_.reverse ? batch.first - 1 : batch.first + batch.count);
  session_->announce(points_);
  announced_ = Announced{.itinerary = itinerary_, .steps = steps_, .size = new_batch_, .icons = range};
}

void Stream::begin_pipeline(std::uint64_t icon) {
  batch_.reset();
  announced_.reset();
  const bool back = manner_.reverse;
  prompts_.aim(*itinerary_, itinerary_->station(icon), icon_);
  const auto source = [itinerary = itinerary_, icon, back](std::uint64_t n) {
    // Backwards past the first icon nobody looks, but something must be painted.
    return itinerary->station(back ? icon - std::min(icon, n) : icon + n).point;
  };
  session_->begin_pipeline(icon_, source, new_batch_);
  pictures_.resize(picture_bytes_);
  schedule_.assign(session_->schedule().begin(), session_->schedule().end());
  batch_ = Batch{.itinerary = itinerary_,
                 .steps = steps_,
                 .first = icon,
                 .count = 1,
                 .pipelined = true,
                 .reverse = back,
                 .next = icon,
                 .gpu_time = {}};
}

void Stream::next_of_pipeline(std::uint64_t icon) {
  if (fits(true) && batch_->first == icon && batch_->done > 0) return;  // the one that came out last
  const auto start = Clock::now();
  if (!fits(true) || batch_->next != icon || batch_->reverse != manner_.reverse) begin_pipeline(icon);
  Batch batch = *std::exchange(batch_, std::nullopt);
  const std::uint32_t place = session_->next_icon();
  session_->read(place, kept_picture(0, 1));
  batch.first = icon;
  batch.done = steps_;
  batch.next = batch.reverse ? icon - 1 : icon + 1;
  batch.time = Clock::now() - start;
  batch.gpu_time = session_->device_time();
  batch_ = std::move(batch);
}

std::span<std::uint8_t> Stream::kept_picture(std::uint32_t icon, std::uint32_t step) {
  const std::size_t place = std::size_t{icon} * kept_steps_ + (kept_steps_ > 1 ? step - 1 : 0);
  return std::span(pictures_).subspan(place * picture_bytes_, picture_bytes_);
}

}  // namespace dit::plugin
