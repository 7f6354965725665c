// SPDX-License-Identifier: MIT
#include "engine/open_runs.h"

#include <algorithm>
#include <atomic>

#include "engine/error.h"

namespace dit {
namespace {

/// Counts the runs of the process, so that a ticket of a plan that is gone fits no other.
std::uint64_t next_generation() {
  static std::atomic<std::uint64_t> last{0};
  return ++last;
}

}  // namespace

OpenRuns::OpenRuns(std::uint32_t batch, std::size_t pixels) : batch_(batch), pixels_(pixels) {
  for (Run& run : runs_) {
    run.icons.resize(batch);
    run.sketches.resize(batch * pixels * 5);
  }
}

/// Four bytes a pixel and one of the mask, icon after icon.
void OpenRuns::keep_sketches(Run& run) const noexcept {
  for (std::size_t i = 0; i < run.icons.size(); ++i) {
    run.icons[i].sketch.keep_at(run.sketches.data() + i * pixels_ * 5, pixels_);
  }
}

std::uint32_t OpenRuns::free_entry() const noexcept {
  std::array<bool, entries> used{};
  if (shown_.generation != 0) used[shown_.id] = true;
  for (std::uint32_t i = 0; i < count_; ++i) used[(*this)[i].ticket.id] = true;
  return static_cast<std::uint32_t>(std::ranges::find(used, false) - used.begin());
}

Run& OpenRuns::open(std::span<const IconPoint> icons, std::uint32_t first, std::uint32_t last, std::uint32_t length) {
  expect(icons.size() == batch_, ErrorKind::settings, "submit: expected {} icons, found {}", batch_, icons.size());
  expect(first < last && last <= length, ErrorKind::settings, "submit: expected steps within 0…{}, found {}…{}", length,
         first, last);
  expect(count_ < most_open_runs, ErrorKind::settings, "submit: expected fewer than {} open runs, found {}",
         most_open_runs, count_);
  const Ticket ticket = {.id = free_entry(), .generation = next_generation()};
  Run& run = (*this)[count_++];
  run.ticket = ticket;
  run.first = run.submitted = run.done = first;
  run.last = last;
  run.paused = false;
  std::ranges::copy(icons, run.icons.begin());
  if (pixels_ > 0) keep_sketches(run);
  return run;
}

std::uint32_t OpenRuns::to_wait_for(const Ticket& ticket, std::uint32_t step) const {
  for (std::uint32_t i = 0; i < count_; ++i) {
    const Run& run = (*this)[i];
    if (run.ticket != ticket) continue;
    expect(step > run.first && step <= run.last, ErrorKind::settings, "wait: expected a step of {} to {}, found {}",
           run.first + 1, run.last, step);
    // A device may have gone on to the end: the run is done once somebody waits for that.
    return run.done >= step && step < run.last ? 0 : i + 1;
  }
  if (ticket.generation == 0 || ticket != shown_) fail_stale("wait", ticket);
  expect(step <= shown_last_, ErrorKind::settings, "wait: expected a step up to {}, found {}", shown_last_, step);
  return 0;
}

void OpenRuns::finish_oldest() noexcept {
  shown_ = (*this)[0].ticket;
  shown_last_ = (*this)[0].last;
  first_ = (first_ + 1) % most_open_runs;
  --count_;
}

void OpenRuns::check_pictures(const Ticket& ticket, std::uint32_t icon, std::span<const std::uint8_t> out,
                              std::uint64_t size) const {
  if (ticket.generation == 0 || ticket != shown_) fail_stale("read", ticket);
  expect(icon < batch_, ErrorKind::settings, "read: expected an icon below {}, found {}", batch_, icon);
  expect(out.size() == size, ErrorKind::settings, "read: expected room for {} bytes, found {}", size, out.size());
}

void OpenRuns::fail_stale(const char* what, const Ticket& ticket) const {
  for (std::uint32_t i = 0; i < count_; ++i) {
    expect((*this)[i].ticket != ticket, ErrorKind::settings, "{}: run {} is not done: expected a wait for its {} steps",
           what, ticket.generation, (*this)[i].last - (*this)[i].first);
  }
  fail(ErrorKind::settings, "{}: the ticket of run {} is stale: expected {} open runs or run {}, done last", what,
       ticket.generation, count_, shown_.generation);
}

}  // namespace dit
