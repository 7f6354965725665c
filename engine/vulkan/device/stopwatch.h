// SPDX-License-Identifier: MIT
// Times recorded work by the device's own clock, or by the host's where it has none.
#pragma once

#include <functional>

#include "engine/vulkan/device/device.h"

namespace dit::vulkan {

/// The device must outlive it.
class Stopwatch {
 public:
  explicit Stopwatch(Device& device);

  /// Microseconds of what `record` records, `warm_up` before it not counted.
  double time(const std::function<void(const vk::raii::CommandBuffer&)>& record,
              const std::function<void(const vk::raii::CommandBuffer&)>& warm_up = {});

 private:
  Device& device_;
  double tick_ns_ = 0;  // 0: the device has no clock
  vk::raii::QueryPool ticks_{nullptr};
};

}  // namespace dit::vulkan
