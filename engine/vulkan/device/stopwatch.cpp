// SPDX-License-Identifier: MIT
#include "engine/vulkan/device/stopwatch.h"

#include <chrono>

namespace dit::vulkan {

Stopwatch::Stopwatch(Device& device) : device_(device) {
  const auto families = device.physical().getQueueFamilyProperties();
  if (families[device.family()].timestampValidBits == 0) return;
  tick_ns_ = static_cast<double>(device.limits().timestampPeriod);
  ticks_ = vk::raii::QueryPool(device.handle(), vk::QueryPoolCreateInfo({}, vk::QueryType::eTimestamp, 2));
}

double Stopwatch::time(const std::function<void(const vk::raii::CommandBuffer&)>& record,
                       const std::function<void(const vk::raii::CommandBuffer&)>& warm_up) {
  using Clock = std::chrono::steady_clock;
  using Stage = vk::PipelineStageFlagBits;
  const Clock::time_point start = Clock::now();
  device_.run_once([&](const vk::raii::CommandBuffer& commands) {
    if (tick_ns_ > 0) commands.resetQueryPool(*ticks_, 0, 2);
    if (warm_up) warm_up(commands);
    if (tick_ns_ > 0) commands.writeTimestamp(Stage::eBottomOfPipe, *ticks_, 0);
    record(commands);
    if (tick_ns_ > 0) commands.writeTimestamp(Stage::eBottomOfPipe, *ticks_, 1);
  });
  if (tick_ns_ <= 0) return std::chrono::duration<double, std::micro>(Clock::now() - start).count();
  const auto ticks = ticks_.getResults<std::uint64_t>(0, 2, 2 * sizeof(std::uint64_t), sizeof(std::uint64_t),
                                                      vk::QueryResultFlagBits::e64 | vk::QueryResultFlagBits::eWait);
  return static_cast<double>(ticks.second[1] - ticks.second[0]) * tick_ns_ / 1e3;
}

}  // namespace dit::vulkan
