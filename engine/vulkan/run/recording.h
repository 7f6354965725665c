// SPDX-License-Identifier: MIT
// A schedule as command buffers: each stretch of steps is recorded when it is first asked for, and submitted again and
// again.
#pragma once

#include <array>
#include <compare>
#include <map>
#include <memory>
#include <vector>

#include "engine/vulkan/run/schedule.h"

namespace dit::vulkan {

/// That may be pending: one is done while the other waits behind it.
inline constexpr std::uint32_t most_submissions = 2;

/// What one submission does: steps first … last − 1 of a run.
struct Stretch {
  std::uint32_t first = 0, last = 0;
  bool begins = false;      ///< takes the icons from the run's ring entry before
  bool ends = false;        ///< leaves the pictures in the run's ring entry
  std::uint32_t entry = 0;  ///< of the ring, of the run
  auto operator<=>(const Stretch&) const = default;
};

/// Everything that submitted work uses, besides what the executor owns.
/// thread  one at a time
class Recording {
 public:
  /// Both must outlive it.
  Recording(Device& device, std::unique_ptr<Schedule> schedule, std::uint32_t steps);

  const Schedule& schedule() const { return *schedule_; }
  /// Whether one dispatch does all steps of a stretch, told by the range of its ring entry.
  bool persistent() const { return schedule_->persistent.has_value(); }
  /// Of such a dispatch; see Ring.
  std::array<std::uint32_t, RANGE_WORDS> range_of(const Stretch& stretch) const;
  double tick_ns() const { return tick_ns_; }
  const vk::raii::QueryPool& times() const { return times_; }
  /// Of Program::prepare.
  const vk::raii::CommandBuffer& prepare() const { return prepare_; }
  /// One for each submission that may be pending.
  const std::vector<vk::raii::Fence>& fences() const { return fences_; }

  /// Appends what does a stretch: one command buffer, so that nothing but what the kernels need lies between two steps;
  /// several where the stretch is long, and those are shared by all runs. What has not been recorded yet is recorded.
  void append(const Stretch& stretch, std::vector<vk::CommandBuffer>& list);
  /// Steps recorded so far, beginnings and ends counted as one each.
  std::uint32_t recorded() const { return recorded_; }
  /// Whether forget() is due. Room for every step alone and for whole runs of some lengths, so that icons that are
  /// alike never come here: 512 steps, or 4 for each step of a plan. One of 1000 steps keeps 4000 at most, and 1000
  /// where whole icons are asked for; at 19 dispatches a step those are 20 MB of Mesa's software device.
  bool full() const { return recorded_ >= room_; }
  /// Nothing that append() gave may be pending.
  void forget();
  /// Forgets, and records prepare() again: pipelines have other handles now.
  void record_anew();

 private:
  void record_prepare();
  vk::CommandBuffer get(Stretch stretch);
  vk::raii::CommandBuffer make(const std::string& name) const;
  vk::raii::CommandBuffer record(const Stretch& stretch) const;
  void record_finish(const vk::raii::CommandBuffer& commands, std::uint32_t entry) const;

  Device& device_;
  std::unique_ptr<Schedule> schedule_;
  std::uint32_t room_ = 0, recorded_ = 0;
  vk::raii::CommandPool pool_{nullptr};
  double tick_ns_ = 0;                  // of the device's clock; 0: it has none
  vk::raii::QueryPool times_{nullptr};  // for each ring entry when its run began and ended
  vk::raii::CommandBuffer prepare_{nullptr};
  std::map<Stretch, vk::raii::CommandBuffer> stretches_;
  std::vector<vk::raii::Fence> fences_;
};

/// Dispatches one after the other, each bound as far as the one before it has not done so.
class LaunchRecorder {
 public:
  explicit LaunchRecorder(const vk::raii::CommandBuffer& commands) : commands_(commands) {}
  /// One dispatch of step `step`.
  void record(const Launch& launch, std::uint32_t step);

 private:
  const vk::raii::CommandBuffer& commands_;
  const Launch* last_ = nullptr;
  std::uint32_t last_step_ = 0;
};

/// One dispatch of step `step`.
void record_launch(const vk::raii::CommandBuffer& commands, const Launch& launch, std::uint32_t step);
/// Copies the words of a run to where kernels read them, and clears the counters of a persistent dispatch. Between
/// barriers.
void record_words(const vk::raii::CommandBuffer& commands, const Schedule& schedule, std::uint32_t entry);
/// The persistent dispatch; it runs what the range of the ring entry says.
void record_persistent(const vk::raii::CommandBuffer& commands, const Schedule& schedule, std::uint32_t entry);

}  // namespace dit::vulkan
