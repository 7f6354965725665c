// SPDX-License-Identifier: MIT
// A program on a device: its recording, submitted a stretch of steps at a time.
//   plan.cpp          the request, running, the pictures
//   plan_flights.cpp  runs under way: what is submitted when, and what comes of it
//   plan_tensors.cpp  tensors in and out, captures
//   plan_timing.cpp   what takes how long
#pragma once

#include <array>
#include <chrono>
#include <cstring>
#include <memory>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "engine/vulkan/executor.h"
#include "engine/vulkan/run/recording.h"

namespace dit::vulkan {

/// precision, fusion  not automatic
/// errors  as Executor::plan; `shared` must outlive the plan
std::unique_ptr<Plan> make_plan(Shared& shared, Program program, Precision precision, Fusion fusion);

class VulkanPlan : public Plan {
 public:
  /// errors  as Executor::plan
  VulkanPlan(Shared& shared, Program program, Precision precision, Fusion fusion);

  ~VulkanPlan() override;

  /// fusion single: whether the workgroups meet at their barrier.
  bool stays_resident();

  void set_request(const Request& request) override;
  void set_icons(std::span<const IconPoint> icons) override;
  void prepare(const std::atomic<bool>& cancel) override;
  void start(std::span<const IconPoint> icons, std::uint32_t first, std::uint32_t last) override;
  void run(std::uint32_t first, std::uint32_t last, const std::atomic<bool>& cancel) override;
  std::optional<std::chrono::nanoseconds> device_time() const override { return device_time_; }
  void read_rgba(std::uint32_t icon, std::span<std::uint8_t> out) override;
  std::vector<float> read(TensorId id) override;
  void write(TensorId id, std::span<const float> values) override;
  void capture(bool prepare, std::uint32_t step, const Checkpoint& checkpoint) override;
  const Program& program() const noexcept override { return program_; }

  /// What it was made with; see make_plan.
  Fusion fusion() const { return schedule().compiled.target.fusion; }

  /// For benchmarks.
  const Schedule& schedule() const { return recording_->schedule(); }
  /// See executor.h.
  std::vector<LaunchTime> time_launches(std::uint32_t step, std::uint32_t repeats);
  std::uint32_t dispatches() const;

 private:
  using Clock = std::chrono::steady_clock;

  /// A run under way, or behind one. Has a slot to itself.
  struct Flight {
    std::uint32_t first = 0, last = 0, slot = 0;
    std::uint32_t submitted = 0, done = 0;  // step after the last one
    std::vector<IconPoint> icons;
  };
  /// Signals the fence of its place.
  struct Submission {
    std::uint32_t flight = 0;  // place of it
    std::uint32_t end = 0;     // step after its last
    Clock::time_point since{};
    bool alone = false;  // nothing else was in flight
  };

  void clear();
  void check_icons(std::span<const IconPoint> icons) const;
  void check_range(std::uint32_t first, std::uint32_t last) const;
  Flight& flight(std::uint32_t i) { return flights_[(first_flight_ + i) % flights_.size()]; }
  void push(std::span<const IconPoint> icons, std::uint32_t first, std::uint32_t last);
  void pop();
  std::uint32_t free_slot() const;
  void submit_more();
  void submit_next(Flight& f);
  void wait_for_oldest();
  void note_step_time(const Submission& s, bool waited, std::uint32_t steps);
  /// Waits for all that is in flight, and forgets the runs.
  void drop();
  /// The same after a failure, of which there need not be another.
  void abandon() noexcept;
  std::uint32_t end_of_submission(const Flight& f) const;
  void put_icons(std::uint32_t slot, std::span<const IconPoint> icons) const;
  void put_range(std::uint32_t slot, const std::array<std::uint32_t, RANGE_WORDS>& words) const;
  void clear_status() const;
  void check_status() const;
  void note_device_time(std::uint32_t slot);
  void capture_op(const LoweredOp& op, std::uint32_t step, const Checkpoint& checkpoint);
  void check_activation(TensorId id, const char* what) const;
  const Placement& memory() const { return *schedule().memory; }
  bool on_host(TensorId id) const { return memory().tensor(id).buffer->mapped() != nullptr; }
  TensorLayout layout(TensorId id) const;

  template <typename Words>
  static void put(const Place& place, const Words& words) {
    std::memcpy(place.buffer->mapped() + place.offset, words.data(), words.size() * sizeof(words[0]));
  }

  template <typename Work>
  auto guarded(Work&& work) {
    return translated(device().info().name, std::forward<Work>(work));
  }

  Device& device() const { return *shared_.device; }

  Shared& shared_;
  Program program_;
  std::uint32_t length_ = 0;  // steps that the request can run
  double step_ns_ = 0;        // by the wall clock, as last measured
  std::optional<std::chrono::nanoseconds> device_time_;
  std::vector<IconPoint> icons_;               // of the next run()
  std::array<Flight, run_slots - 1> flights_;  // in a ring, oldest first
  std::uint32_t first_flight_ = 0, flight_count_ = 0;
  std::array<Submission, most_in_flight> submissions_;  // likewise
  std::uint32_t oldest_ = 0, in_flight_ = 0;
  Clock::time_point last_end_{};          // of a submission
  bool saw_end_ = false;                  // it was waited for, so that this is when it ended
  std::uint32_t shown_ = 0;               // slot of the last run that ended
  std::vector<vk::CommandBuffer> batch_;  // of one submission, kept so that a run allocates nothing
  std::unique_ptr<Recording> recording_;
};

}  // namespace dit::vulkan
