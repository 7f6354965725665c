// SPDX-License-Identifier: MIT
// The runs that a plan has been asked for: what an executor keeps of them, and the rules of tickets (see executor.h).
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "engine/executor.h"

namespace dit {

/// A run under way, or behind one.
struct Run {
  Ticket ticket;
  std::uint32_t first = 0, last = 0;
  std::uint32_t submitted = 0;  ///< step after the last one that a device beside the host has been given
  std::uint32_t done = 0;       ///< step after the last one done
  bool paused = false;          ///< the device may have waited for the host in the middle of it
  std::vector<IconPoint> icons;
  std::vector<std::uint8_t> sketches;  ///< bytes that the icons refer to, where the plan keeps them here
};

/// Allocates nothing once made.
/// thread  one at a time
class OpenRuns {
 public:
  /// Ring entries: those of the open runs, and that whose pictures are read.
  static constexpr std::uint32_t entries = most_open_runs + 1;

  /// pixels  of a sketch, if runs are to keep the bytes of their icons' sketches: the icons of a Run refer to those
  explicit OpenRuns(std::uint32_t batch, std::size_t pixels = 0);

  std::uint32_t count() const noexcept { return count_; }
  /// Open runs, oldest first.
  Run& operator[](std::uint32_t i) noexcept { return runs_[(first_ + i) % runs_.size()]; }
  const Run& operator[](std::uint32_t i) const noexcept { return runs_[(first_ + i) % runs_.size()]; }
  Run& newest() noexcept { return (*this)[count_ - 1]; }

  /// length  steps that the request can run
  /// errors  settings, see Plan::submit
  Run& open(std::span<const IconPoint> icons, std::uint32_t first, std::uint32_t last, std::uint32_t length);
  /// How many of the open runs, from the oldest, are to be waited for until `step` of the ticket's is done; the last of
  /// them is its own. 0: nothing is to be waited for.
  /// errors  settings, see Plan::wait
  std::uint32_t to_wait_for(const Ticket& ticket, std::uint32_t step) const;
  /// The oldest is done, and its pictures are those to be read.
  void finish_oldest() noexcept;
  void close_all() noexcept { count_ = 0; }

  /// The run done last.
  const Ticket& shown() const noexcept { return shown_; }
  /// errors  settings, see Plan::read; `size` is what `out` must have
  void check_pictures(const Ticket& ticket, std::uint32_t icon, std::span<const std::uint8_t> out,
                      std::uint64_t size) const;
  void forget_pictures() noexcept { shown_.generation = 0; }

 private:
  void keep_sketches(Run& run) const noexcept;
  std::uint32_t free_entry() const noexcept;
  [[noreturn]] void fail_stale(const char* what, const Ticket& ticket) const;

  std::uint32_t batch_;
  std::size_t pixels_;
  std::array<Run, most_open_runs> runs_;  // in a ring, oldest first
  std::uint32_t first_ = 0, count_ = 0;
  Ticket shown_;  // of the run done last
  std::uint32_t shown_last_ = 0;
};

}  // namespace dit
