// SPDX-License-Identifier: MIT
// Vulkan-Hpp as this folder uses it, and the one place where its exceptions become dit::Error.
#pragma once

#ifndef VK_NO_PROTOTYPES
#define VK_NO_PROTOTYPES
#endif
#include <vulkan/vulkan_raii.hpp>

#include <string>
#include <type_traits>

#include "engine/error.h"

namespace dit::vulkan {

/// Runs `work`; what Vulkan throws becomes Error{out_of_memory | device} that starts with `what`.
template <typename Work>
auto translated(const std::string& what, Work&& work) -> std::invoke_result_t<Work> {
  try {
    return work();
  } catch (const vk::OutOfDeviceMemoryError&) {
    fail(ErrorKind::out_of_memory, "{}: the device is out of memory", what);
  } catch (const vk::OutOfHostMemoryError&) {
    fail(ErrorKind::out_of_memory, "{}: the driver is out of host memory", what);
  } catch (const vk::DeviceLostError&) {
    fail(ErrorKind::device, "{}: the device was lost (driver reset or hang)", what);
  } catch (const vk::SystemError& error) {
    fail(ErrorKind::device, "{}: {}", what, error.what());
  }
}

}  // namespace dit::vulkan
