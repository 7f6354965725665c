// SPDX-License-Identifier: MIT
// Runs as submissions to the queue: each short enough that a cancel is soon obeyed, and a window of them kept full, so
// that the device goes from one to the next without the host.
#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <span>
#include <vector>

#include "engine/open_runs.h"
#include "engine/vulkan/run/recording.h"
#include "engine/vulkan/run/ring.h"

namespace dit::vulkan {

/// All that it is made of must outlive it. After anything is thrown the open runs are closed and nothing is pending.
/// thread  one at a time
class Submissions {
 public:
  Submissions(Device& device, Recording& recording, const Ring& ring, OpenRuns& runs, std::uint32_t steps);

  /// Fills the window, run by run. errors: device, out_of_memory
  void fill();
  /// Until `step` of the oldest run is done; the window is filled as long as it is not. Once `cancel` is true nothing
  /// more is submitted, but what is pending is waited for. Whether the step is done. errors: device, out_of_memory
  bool finish(std::uint32_t step, const std::atomic<bool>& cancel);
  /// Waits for all that is pending, and closes the open runs. errors: device
  void drop();

  /// Submits and waits; nothing may be pending. errors: device
  void run_alone(std::span<const vk::CommandBuffer> commands);

 private:
  using Clock = std::chrono::steady_clock;

  /// Signals the fence of its place.
  struct Submission {
    Run* run = nullptr;
    std::uint32_t end = 0;  // step after its last
    Clock::time_point since{};
    bool alone = false;  // nothing else was pending
  };

  template <typename Work>
  auto or_abandon(Work&& work);
  void fill_window();
  void submit_next(Run& run);
  std::uint32_t end_of_next(const Run& run) const;
  void note_pause(Run& run) const;
  void wait_for_oldest();
  void note_step_time(const Submission& s, bool waited, std::uint32_t steps);
  void abandon() noexcept;
  const vk::raii::Fence& fence(std::uint32_t i) const;  // of the i-th pending, from the oldest

  Device& device_;
  Recording& recording_;
  const Ring& ring_;
  OpenRuns& runs_;
  std::array<Submission, most_submissions> submissions_;  // in a ring, oldest first
  std::uint32_t oldest_ = 0, pending_ = 0;
  double step_ns_ = 0;                    // by the wall clock, as last measured
  Clock::time_point last_end_{};          // of a submission
  bool saw_end_ = false;                  // it was waited for, so that this is when it ended
  std::vector<vk::CommandBuffer> batch_;  // of one submission, kept so that a run allocates nothing
};

}  // namespace dit::vulkan
