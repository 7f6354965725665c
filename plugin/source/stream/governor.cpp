// SPDX-License-Identifier: MIT
#include "plugin/source/stream/governor.h"

#include <algorithm>

namespace dit::plugin {
namespace {

/// Steps that fit into `budget` ns of a frame's time.
double fitting(const Settings& settings, double budget, double step) {
  if (!settings.every_step()) return budget / step;
  // Every step has a frame, and the finished icon is held for hold − 1 more: steps · step ≤ (steps + hold − 1) ·
  // budget.
  return step <= budget ? 1e9 : (settings.hold - 1) * budget / (step - budget);
}

}  // namespace

void Governor::reset() {
  const std::lock_guard lock(mutex_);
  step_ns_ = 0;
  share_ = 1;
  pressed_ = false;
  now_ = 0;
}

std::uint32_t Governor::steps(const Settings& settings, std::uint32_t wanted, GstClockTime frame_time, bool live) {
  const std::lock_guard lock(mutex_);
  const bool deadline = GST_CLOCK_TIME_IS_VALID(frame_time) && (live || pressed_);
  if (settings.min_steps == 0 || settings.min_steps >= wanted || !deadline || step_ns_ <= 0) return now_ = wanted;
  const double budget = static_cast<double>(frame_time) * share_;
  const auto bounded = [&](double steps) {
    return static_cast<std::uint32_t>(std::clamp(steps, double(settings.min_steps), double(wanted)));
  };
  if (now_ == 0 || now_ > wanted) now_ = wanted;
  // Up needs more room than down, or the number would change with every icon.
  const std::uint32_t down = bounded(fitting(settings, 0.95 * budget, step_ns_));
  const std::uint32_t up = bounded(fitting(settings, 0.80 * budget, step_ns_));
  if (now_ > down) now_ = down;
  if (now_ < up) now_ = up;
  return now_;
}

void Governor::painted(const Caption& caption) {
  if (!caption.finished || caption.steps == 0) return;
  const std::lock_guard lock(mutex_);
  const double sample = static_cast<double>(caption.render_time.count()) / caption.steps;
  step_ns_ = step_ns_ <= 0 ? sample : 0.75 * step_ns_ + 0.25 * sample;
}

void Governor::judged(GstClockTimeDiff jitter) {
  const std::lock_guard lock(mutex_);
  if (jitter > 0) {
    if (pressed_) share_ = std::max(0.1, share_ * 0.9);
    pressed_ = true;
  } else {
    share_ = std::min(1.0, share_ * 1.02);
  }
}

}  // namespace dit::plugin
