// SPDX-License-Identifier: MIT
#include "engine/vulkan/device/upload.h"

#include <algorithm>
#include <cstring>

namespace dit::vulkan {
namespace {

constexpr std::uint64_t staging_bytes = 16u << 20;

}  // namespace

Uploader::Uploader(Device& device, const Buffer& target, std::uint64_t total_bytes)
    : device_(device),
      target_(target),
      staging_(device, Memory::upload, std::clamp<std::uint64_t>(total_bytes, 4, staging_bytes), "weight staging") {}

void Uploader::add(std::uint64_t offset, std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const std::uint64_t size = std::min<std::uint64_t>(bytes.size(), staging_.size_bytes() - used_);
    std::memcpy(staging_.mapped() + used_, bytes.data(), size);
    copies_.emplace_back(used_, offset, size);
    bytes = bytes.subspan(size);
    offset += size;
    // Each piece starts at a multiple of 4, so that no copy is a read-modify-write of a word.
    used_ = std::min(staging_.size_bytes(), (used_ + size + 3) / 4 * 4);
    if (used_ == staging_.size_bytes()) finish();
  }
}

void Uploader::finish() {
  if (copies_.empty()) return;
  staging_.flush();
  device_.run_once([&](const vk::raii::CommandBuffer& commands) {
    commands.copyBuffer(staging_.handle(), target_.handle(), copies_);
  });
  copies_.clear();
  used_ = 0;
}

void upload(Device& device, const Buffer& target, std::span<const std::byte> bytes) {
  Uploader uploader(device, target, bytes.size());
  uploader.add(0, bytes);
  uploader.finish();
}

}  // namespace dit::vulkan
