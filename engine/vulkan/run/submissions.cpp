// SPDX-License-Identifier: MIT
#include "engine/vulkan/run/submissions.h"

#include <algorithm>
#include <bit>

namespace dit::vulkan {
namespace {

// What a submission may take, so that a cancel is soon obeyed.
constexpr double submission_ns = 20e6;

}  // namespace

Submissions::Submissions(Device& device, Recording& recording, const Ring& ring, OpenRuns& runs, std::uint32_t steps)
    : device_(device), recording_(recording), ring_(ring), runs_(runs) {
  batch_.reserve(steps + 3);
}

template <typename Work>
auto Submissions::or_abandon(Work&& work) {
  try {
    return work();
  } catch (...) {
    abandon();
    throw;
  }
}

const vk::raii::Fence& Submissions::fence(std::uint32_t i) const {
  return recording_.fences()[(oldest_ + i) % recording_.fences().size()];
}

/// All at once where that is quick, else powers of two, so that it stays the same when the time of a step wavers.
std::uint32_t Submissions::end_of_next(const Run& run) const {
  const std::uint32_t remaining = run.last - run.submitted;
  if (step_ns_ <= 0) return run.submitted + 1;
  const auto most = static_cast<std::uint32_t>(std::clamp(submission_ns / step_ns_, 1.0, double{UINT16_MAX}));
  return run.submitted + (most >= remaining ? remaining : std::bit_floor(most));
}

void Submissions::fill() {
  or_abandon([this] { fill_window(); });
}

void Submissions::fill_window() {
  for (std::uint32_t i = 0; i < runs_.count(); ++i) {
    Run& run = runs_[i];
    while (run.submitted < run.last) {
      // A persistent dispatch reads its range from the ring entry, which has one.
      const bool busy = recording_.persistent() && run.submitted > run.done;
      if (busy || pending_ == recording_.fences().size()) return;
      submit_next(run);
    }
  }
}

void Submissions::submit_next(Run& run) {
  if (recording_.full()) {
    while (pending_ > 0) wait_for_oldest();
    recording_.forget();
  }
  const std::uint32_t entry = run.ticket.id, end = end_of_next(run);
  const Stretch stretch = {.first = run.submitted,
                           .last = end,
                           .begins = run.submitted == run.first,
                           .ends = end == run.last,
                           .entry = entry};
  if (stretch.begins) {
    ring_.put_icons(entry, run.icons);
    if (recording_.tick_ns() > 0) recording_.times().reset(2 * entry, 2);
  }
  if (recording_.persistent()) ring_.put_range(entry, recording_.range_of(stretch));
  batch_.clear();
  recording_.append(stretch, batch_);
  device_.submit(batch_, fence(pending_));
  submissions_[(oldest_ + pending_) % recording_.fences().size()] = {
      .run = &run, .end = end, .since = Clock::now(), .alone = pending_ == 0};
  ++pending_;
  run.submitted = end;
}

bool Submissions::finish(std::uint32_t step, const std::atomic<bool>& cancel) {
  return or_abandon([&] {
    Run& run = runs_[0];
    note_pause(run);
    while (run.done < step) {
      if (!cancel.load()) fill_window();
      if (pending_ == 0) return false;
      wait_for_oldest();
    }
    return true;
  });
}

/// Between what was submitted before and the steps to come, the device may have waited for us for any time.
void Submissions::note_pause(Run& run) const {
  if (run.submitted == run.first || run.submitted == run.last) return;
  if (pending_ == 0 || device_.is_done(fence(pending_ - 1))) run.paused = true;
}

void Submissions::wait_for_oldest() {
  const Submission& s = submissions_[oldest_];
  const bool waited = !device_.is_done(fence(0));
  device_.wait(fence(0));
  note_step_time(s, waited, s.end - s.run->done);
  s.run->done = s.end;
  oldest_ = (oldest_ + 1) % static_cast<std::uint32_t>(recording_.fences().size());
  --pending_;
  if (recording_.persistent()) ring_.check_status(device_.info().name);
}

/// What was done before anybody waited may have been done long ago, and says nothing.
void Submissions::note_step_time(const Submission& s, bool waited, std::uint32_t steps) {
  const Clock::time_point now = Clock::now(), begin = s.alone ? s.since : std::max(s.since, last_end_);
  if (waited && (s.alone || saw_end_)) step_ns_ = std::chrono::duration<double, std::nano>(now - begin).count() / steps;
  last_end_ = now;
  saw_end_ = waited;
}

void Submissions::drop() {
  or_abandon([this] {
    while (pending_ > 0) wait_for_oldest();
  });
  runs_.close_all();
}

/// Of failures there need not be another.
void Submissions::abandon() noexcept {
  try {
    for (; pending_ > 0 && !device_.stuck(); --pending_) {
      device_.wait(fence(0));
      oldest_ = (oldest_ + 1) % static_cast<std::uint32_t>(recording_.fences().size());
    }
  } catch (const std::exception&) {
    // The device is lost or hangs: nothing more will come of the others.
  }
  pending_ = 0;
  runs_.close_all();
  saw_end_ = false;
}

void Submissions::run_alone(std::span<const vk::CommandBuffer> commands) {
  device_.submit(commands, fence(0));
  device_.wait(fence(0));
}

}  // namespace dit::vulkan
