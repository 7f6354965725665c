// SPDX-License-Identifier: MIT
// Compiled kernels kept between runs: what a driver gives for its pipeline cache, one file a device and driver.
#pragma once

#include <string>
#include <string_view>

#include "engine/files/cache_folder.h"
#include "engine/vulkan/device/device.h"

namespace dit::vulkan {

/// Whether the driver of this device made the data, as far as its header says. Some drivers crash on another's.
bool fits_device(std::string_view data, const vk::PhysicalDeviceProperties& properties) noexcept;

/// errors  none but a lost device or exhausted memory: what is kept and unfit is left aside
vk::raii::PipelineCache load_pipelines(const Device& device, const CacheFolder& folder);

/// Keeps what `cache` holds, together with what another process has kept meanwhile. Does without where that fails.
void keep_pipelines(const Device& device, const CacheFolder& folder, const vk::raii::PipelineCache& cache) noexcept;

}  // namespace dit::vulkan
