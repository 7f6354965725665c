// SPDX-License-Identifier: MIT
#include "engine/vulkan/run/timing.h"

#include <array>

#include "engine/vulkan/device/stopwatch.h"

namespace dit::vulkan {

std::optional<std::chrono::nanoseconds> run_time(const Device& device, const Recording& recording,
                                                 std::uint32_t entry) {
  if (recording.tick_ns() <= 0) return {};
  std::array<std::uint64_t, 2> ticks{};
  const vk::raii::Device& handle = device.handle();
  const vk::Result result =
      (*handle).getQueryPoolResults(*recording.times(), 2 * entry, 2, sizeof(ticks), ticks.data(),
                                    sizeof(std::uint64_t), vk::QueryResultFlagBits::e64, *handle.getDispatcher());
  if (result != vk::Result::eSuccess) return {};
  const double ns = static_cast<double>(ticks[1] - ticks[0]) * recording.tick_ns();
  return std::chrono::nanoseconds(static_cast<std::int64_t>(ns));
}

std::uint32_t dispatches(const Schedule& schedule) {
  if (schedule.persistent) return schedule.stages;
  std::size_t count = 0;
  for (const LaunchedOp& op : schedule.step) count += op.launches.size();
  return static_cast<std::uint32_t>(count);
}

std::vector<LaunchTime> time_launches(Device& device, const Recording& recording, std::uint32_t step,
                                      std::uint32_t repeats) {
  std::vector<LaunchTime> times;
  if (recording.tick_ns() <= 0) return times;
  const Schedule& schedule = recording.schedule();
  Stopwatch watch(device);
  std::vector<const LaunchedOp*> ops;
  for (const LaunchedOp& op : schedule.step) ops.push_back(&op);
  if (ops.empty()) {
    for (const LaunchedOp& op : schedule.prepare) ops.push_back(&op);
    if (schedule.bytes) ops.push_back(&*schedule.bytes);
  }
  for (const LaunchedOp* op : ops) {
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

}  // namespace dit::vulkan
