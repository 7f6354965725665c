// SPDX-License-Identifier: MIT
#include "engine/vulkan/device/stopwatch.h"
#include "engine/vulkan/run/plan.h"

namespace dit::vulkan {

void VulkanPlan::note_device_time(std::uint32_t slot) {
  if (recording_->tick_ns() <= 0) return;
  std::array<std::uint64_t, 2> ticks{};
  const vk::Device handle = *device().handle();
  const vk::Result result =
      handle.getQueryPoolResults(*recording_->times(), 2 * slot, 2, sizeof(ticks), ticks.data(), sizeof(std::uint64_t),
                                 vk::QueryResultFlagBits::e64, *device().handle().getDispatcher());
  if (result != vk::Result::eSuccess) return;
  const double ns = static_cast<double>(ticks[1] - ticks[0]) * recording_->tick_ns();
  device_time_ = std::chrono::nanoseconds(static_cast<std::int64_t>(ns));
}

std::uint32_t VulkanPlan::dispatches() const {
  if (schedule().icon) return schedule().stages;
  std::size_t count = 0;
  for (const LoweredOp& op : schedule().step) count += op.launches.size();
  return static_cast<std::uint32_t>(count);
}

std::vector<LaunchTime> VulkanPlan::time_launches(std::uint32_t step, std::uint32_t repeats) {
  std::vector<LaunchTime> times;
  if (recording_->tick_ns() <= 0) return times;
  drop();
  Stopwatch watch(device());
  std::vector<const LoweredOp*> ops;
  for (const LoweredOp& op : schedule().step) ops.push_back(&op);
  if (ops.empty()) {
    for (const LoweredOp& op : schedule().prepare) ops.push_back(&op);
    if (schedule().bytes) ops.push_back(&*schedule().bytes);
  }
  for (const LoweredOp* op : ops) {
    for (const Launch& one : op->launches) {
      const auto some = [&](std::uint32_t count) {
        return [&one, step, count](const vk::raii::CommandBuffer& commands) {
          for (std::uint32_t i = 0; i < count; ++i) {
            record_launch(commands, one, step);
            kernel_barrier(commands);
          }
        };
      };
      std::string kernel = one.call.kernel;
      for (const std::uint32_t constant : one.call.constants) kernel += fmt::format(" {}", constant);
      // One repetition warms the caches.
      times.push_back({op->op->label, kernel, one.call.groups[0] * one.call.groups[1] * one.call.groups[2],
                       watch.time(some(repeats), some(1)) / repeats});
    }
  }
  return times;
}

std::vector<LaunchTime> time_launches(Plan& plan, std::uint32_t step, std::uint32_t repeats) {
  return dynamic_cast<VulkanPlan&>(plan).time_launches(step, repeats);
}

Fusion fusion(const Plan& plan) { return dynamic_cast<const VulkanPlan&>(plan).fusion(); }

std::uint32_t dispatches(const Plan& plan) { return dynamic_cast<const VulkanPlan&>(plan).dispatches(); }

}  // namespace dit::vulkan
