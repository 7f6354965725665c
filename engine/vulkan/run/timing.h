// SPDX-License-Identifier: MIT
// What takes how long, by the device's own clock.
#pragma once

#include <chrono>
#include <optional>
#include <vector>

#include "engine/vulkan/executor.h"
#include "engine/vulkan/run/recording.h"

namespace dit::vulkan {

/// From the beginning to the end of the last run of a ring entry, which must be done; nothing where there is no clock.
std::optional<std::chrono::nanoseconds> run_time(const Device& device, const Recording& recording, std::uint32_t entry);

/// Dispatches of one step; stages where one dispatch does all.
std::uint32_t dispatches(const Schedule& schedule);

/// See executor.h. Nothing may be pending. errors: device
std::vector<LaunchTime> time_launches(Device& device, const Recording& recording, std::uint32_t step,
                                      std::uint32_t repeats);

}  // namespace dit::vulkan
