// SPDX-License-Identifier: MIT
// Host bytes into device-local buffers.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "engine/vulkan/device/device.h"

namespace dit::vulkan {

/// Copies host bytes into a device-local buffer through one staging buffer.
class Uploader {
 public:
  Uploader(Device& device, const Buffer& target, std::uint64_t total_bytes);

  /// `offset` is a multiple of 4.
  void add(std::uint64_t offset, std::span<const std::byte> bytes);
  void finish();

 private:
  Device& device_;
  const Buffer& target_;
  Buffer staging_;
  std::uint64_t used_ = 0;
  std::vector<vk::BufferCopy> copies_;
};

/// Fills `target` from its start on.
void upload(Device& device, const Buffer& target, std::span<const std::byte> bytes);

}  // namespace dit::vulkan
