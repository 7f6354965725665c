// SPDX-License-Identifier: MIT
// A program on a device, as executor.h has it: the request, runs by ticket, and what they give.
#pragma once

#include <atomic>
#include <chrono>
#include <memory>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "engine/open_runs.h"
#include "engine/vulkan/executor.h"
#include "engine/vulkan/run/recording.h"
#include "engine/vulkan/run/ring.h"
#include "engine/vulkan/run/submissions.h"
#include "engine/vulkan/run/tensor_access.h"

namespace dit::vulkan {

/// precision, fusion  not automatic
/// errors  as Executor::plan; `shared` must outlive the plan
std::unique_ptr<Plan> make_plan(Shared& shared, Program program, Precision precision, Fusion fusion,
                                const std::atomic<bool>& cancel = never_cancelled);

class VulkanPlan : public Plan {
 public:
  /// errors  as Executor::plan
  VulkanPlan(Shared& shared, Program program, Precision precision, Fusion fusion,
             const std::atomic<bool>& cancel = never_cancelled);

  ~VulkanPlan() override;

  /// fusion single: whether all workgroups reach their barrier.
  bool stays_resident();

  void set_request(const Request& request) override;
  void prepare(const std::atomic<bool>& cancel) override;
  Ticket submit(std::span<const IconPoint> icons, std::uint32_t first, std::uint32_t last) override;
  void wait(const Ticket& ticket, std::uint32_t step, const std::atomic<bool>& cancel) override;
  void read(const Ticket& ticket, std::uint32_t icon, std::span<std::uint8_t> out) override;
  void drop() override;
  bool refresh() override;
  std::optional<std::chrono::nanoseconds> device_time() const override { return device_time_; }
  std::span<const IconPoint> icons() const noexcept override { return icons_; }
  std::vector<float> read(TensorId id) override;
  void write(TensorId id, std::span<const float> values) override;
  void capture(bool prepare, std::uint32_t step, const Checkpoint& checkpoint) override;
  const Program& program() const noexcept override { return program_; }

  /// What it was given; see make_plan.
  Fusion fusion() const { return schedule().compiled.target.fusion; }

  /// For benchmarks.
  const Schedule& schedule() const { return recording_->schedule(); }
  /// See executor.h.
  std::vector<LaunchTime> time_launches(std::uint32_t step, std::uint32_t repeats);

 private:
  void clear();
  void finish_oldest();
  const Placement& memory() const { return *schedule().memory; }

  template <typename Work>
  auto guarded(Work&& work) {
    return translated(device().info().name, std::forward<Work>(work));
  }

  Device& device() const { return *shared_.device; }

  Shared& shared_;
  Program program_;
  std::shared_ptr<const void> kernels_;  // of pipelines, as recorded
  bool prepared_ = false;
  std::unique_ptr<Recording> recording_;
  std::uint32_t length_ = 0;  // steps that the request can run
  std::vector<IconPoint> icons_;
  std::optional<std::chrono::nanoseconds> device_time_;
  OpenRuns runs_;
  Ring ring_;
  Submissions submissions_;
  TensorAccess tensors_;
};

}  // namespace dit::vulkan
