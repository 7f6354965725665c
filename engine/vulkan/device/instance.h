// SPDX-License-Identifier: MIT
// The loader, the instance and the list of devices.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "engine/executor.h"
#include "engine/vulkan/device/vk.h"

namespace dit::vulkan {

struct Instance {
  vk::raii::Context context;
  vk::raii::Instance handle{nullptr};
  vk::raii::DebugUtilsMessengerEXT messenger{nullptr};
  bool debug_utils = false;  ///< labels and names may be set
};

/// validation  obey DIT_VULKAN_VALIDATION
/// errors      device: no loader, no driver, or the layer that was asked for is missing
std::shared_ptr<Instance> make_instance(bool validation);

/// Device `index` as describe() shows it.
DeviceInfo describe_device(const vk::raii::PhysicalDevice& device, std::size_t index);

/// A queue family that computes; UINT32_MAX if there is none.
std::uint32_t compute_family(const vk::raii::PhysicalDevice& device);

bool has_extension(const vk::raii::PhysicalDevice& device, const char* name);

/// Whether this is a driver without its hardware, as Mesa's RADV_FORCE_FAMILY makes one: there is no memory at all.
bool is_null_device(const vk::raii::PhysicalDevice& device);

/// "1.3.239"
std::string version_text(std::uint32_t version);
/// "83.1 MiB"
std::string size_text(std::uint64_t size_bytes);

}  // namespace dit::vulkan
