// SPDX-License-Identifier: MIT
#include "engine/vulkan/device/pipeline_file.h"

#include <cstring>
#include <optional>
#include <vector>

namespace dit::vulkan {
namespace {

std::string file_name(const Device& device) { return "pipelines-" + device.identity() + ".bin"; }

/// What the folder has for this device, if it is whole and fits.
std::optional<std::string> kept(const Device& device, const CacheFolder& folder) {
  std::optional<std::string> data = folder.read(file_name(device));
  if (!data || !fits_device(*data, device.physical().getProperties())) return {};
  return data;
}

vk::raii::PipelineCache make_cache(const Device& device, const std::string& data) {
  return {device.handle(), vk::PipelineCacheCreateInfo({}, data.size(), data.data())};
}

std::string data_of(const vk::raii::PipelineCache& cache) {
  const std::vector<std::uint8_t> bytes = cache.getData();
  return {bytes.begin(), bytes.end()};
}

}  // namespace

bool fits_device(std::string_view data, const vk::PhysicalDeviceProperties& properties) noexcept {
  VkPipelineCacheHeaderVersionOne header;
  if (data.size() < sizeof(header)) return false;
  std::memcpy(&header, data.data(), sizeof(header));
  return header.headerSize >= sizeof(header) && header.headerSize <= data.size() &&
         header.headerVersion == VK_PIPELINE_CACHE_HEADER_VERSION_ONE && header.vendorID == properties.vendorID &&
         header.deviceID == properties.deviceID &&
         std::memcmp(header.pipelineCacheUUID, properties.pipelineCacheUUID.data(), VK_UUID_SIZE) == 0;
}

vk::raii::PipelineCache load_pipelines(const Device& device, const CacheFolder& folder) {
  if (const std::optional<std::string> data = kept(device, folder)) {
    try {
      return make_cache(device, *data);
    } catch (const vk::SystemError&) {
      // The driver knows better than the header. An empty cache serves, and replaces the file.
    }
  }
  return make_cache(device, {});
}

void keep_pipelines(const Device& device, const CacheFolder& folder, const vk::raii::PipelineCache& cache) noexcept {
  if (folder.path().empty()) return;
  try {
    std::string data = data_of(cache);
    if (const std::optional<std::string> other = kept(device, folder)) {
      if (*other == data) return;
      // Another process may have built other kernels. Together they must not outgrow a file.
      const vk::raii::PipelineCache both = make_cache(device, *other);
      both.merge(*cache);
      std::string merged = data_of(both);
      if (merged == *other) return;
      if (merged.size() < CacheFolder::most_bytes / 2) data = std::move(merged);
    }
    if (fits_device(data, device.physical().getProperties())) folder.write(file_name(device), data);
  } catch (const std::exception&) {
    // Built again next time.
  }
}

}  // namespace dit::vulkan
