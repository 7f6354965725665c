// SPDX-License-Identifier: MIT
// A schedule as command buffers: recorded once, submitted again and again.
#pragma once

#include <memory>
#include <vector>

#include "engine/vulkan/schedule.h"

namespace dit::vulkan {

inline constexpr std::uint32_t most_in_flight = 2;

/// Everything that submitted work uses, besides what the executor owns.
struct Recording {
  std::unique_ptr<Schedule> schedule;
  vk::raii::CommandPool pool{nullptr};
  double tick_ns = 0;                          ///< of the device's clock; 0: it has none
  vk::raii::QueryPool times{nullptr};          ///< when a run began and ended
  std::vector<vk::raii::CommandBuffer> steps;  ///< none where one dispatch does all
  vk::raii::CommandBuffer prepare{nullptr}, begin{nullptr};
  std::vector<vk::raii::CommandBuffer> finish;  ///< for each read-back slot
  vk::raii::CommandBuffer icon{nullptr};        ///< fusion single: the one dispatch
  std::vector<vk::raii::Fence> fences;          ///< one for each submission that may be in flight
};

std::unique_ptr<Recording> record_schedule(const Device& device, std::unique_ptr<Schedule> schedule,
                                           std::uint32_t steps);

/// One dispatch of step `step`.
void record_launch(const vk::raii::CommandBuffer& commands, const Launch& launch, std::uint32_t step);
/// The persistent dispatch, its counters cleared first; it runs what Region::range says.
void record_icon(const vk::raii::CommandBuffer& commands, const Schedule& schedule);

}  // namespace dit::vulkan
