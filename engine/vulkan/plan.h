// SPDX-License-Identifier: MIT
// A program on a device: its recording, submitted a stretch of steps at a time.
//   plan.cpp          the request, running, the pictures
//   plan_tensors.cpp  tensors in and out, captures
//   plan_timing.cpp   what takes how long
#pragma once

#include <array>
#include <cstring>
#include <memory>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "engine/vulkan/executor.h"
#include "engine/vulkan/recording.h"

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
  void prepare(const std::atomic<bool>& cancel) override;
  void start(std::uint32_t first, std::uint32_t last) override;
  void run(std::uint32_t first, std::uint32_t last, const std::atomic<bool>& cancel) override;
  std::optional<std::chrono::nanoseconds> device_time() const override { return device_time_; }
  void read_rgba(std::uint32_t icon, std::span<std::uint8_t> out) override;
  std::vector<float> read(TensorId id) override;
  void write(TensorId id, std::span<const float> values) override;
  void capture(bool prepare, std::uint32_t step, const Checkpoint& checkpoint) override;
  const Program& program() const noexcept override { return program_; }

  /// What it was made with; see make_plan.
  Fusion fusion() const { return schedule().fusion; }

  /// For benchmarks.
  const Schedule& schedule() const { return *recording_->schedule; }
  /// See executor.h.
  std::vector<LaunchTime> time_launches(std::uint32_t step, std::uint32_t repeats);
  std::uint32_t dispatches() const;

 private:
  /// Steps under way. Submission i of those in flight signals fence i mod their number.
  struct Flight {
    std::uint32_t first = 0, last = 0;  // of the run
    std::uint32_t submitted = 0, done = 0;
    std::uint32_t oldest = 0, in_flight = 0;
    std::array<std::uint32_t, most_in_flight> ends{};  // step after the last of each submission
    bool ahead = false;                                // begun by start()
  };

  void clear();
  void check_range(std::uint32_t first, std::uint32_t last) const;
  void submit_more();
  void wait_for_oldest();
  /// Waits for what start() began, and forgets it.
  void drop();
  void submit_steps(std::uint32_t first, std::uint32_t last, bool begins, bool ends, const vk::raii::Fence& fence);
  std::uint32_t steps_a_submission() const;
  void set_range(const std::array<std::uint32_t, RANGE_WORDS>& words) const;
  void check_status() const;
  void note_device_time();
  void capture_op(const LoweredOp& op, std::uint32_t step, const Checkpoint& checkpoint);
  void check_activation(TensorId id, const char* what) const;
  const Placement& memory() const { return *schedule().memory; }
  bool on_host(TensorId id) const { return memory().tensor(id).buffer->mapped() != nullptr; }
  TensorLayout layout(TensorId id) const;

  template <typename Word>
  void put(const Place& place, const std::vector<Word>& words) {
    std::memcpy(place.buffer->mapped() + place.offset, words.data(), words.size() * sizeof(Word));
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
  std::optional<Flight> flight_;
  std::uint32_t shown_ = 0;               // read-back slot of the last run that ended
  std::vector<vk::CommandBuffer> batch_;  // of one submission, kept so that a run allocates nothing
  std::unique_ptr<Recording> recording_;
};

}  // namespace dit::vulkan
