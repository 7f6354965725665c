// SPDX-License-Identifier: MIT
// The Vulkan executor: hand-written GLSL compute, one pre-recorded command buffer a step. Any Vulkan 1.2 device.
// This header needs no Vulkan header.
#pragma once

#include <memory>
#include <vector>

#include "engine/executor.h"
#include "engine/weights.h"

namespace dit::vulkan {

/// Every device of every driver, unusable ones too (`problem` says why).
/// errors  throws Error{device} if there is no loader or no instance can be made
std::vector<DeviceInfo> describe();

/// Opens device `index` of describe() and uploads the weights once.
/// errors  device, unsupported ("model needs X, device has Y"), out_of_memory
std::unique_ptr<Executor> open(std::shared_ptr<const Weights> weights, std::size_t index,
                               const DeviceOptions& options = {});

}  // namespace dit::vulkan
