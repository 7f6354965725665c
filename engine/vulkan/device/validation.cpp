// SPDX-License-Identifier: MIT
#include "engine/vulkan/device/validation.h"

#include <cstdio>
#include <mutex>
#include <string_view>

namespace dit::vulkan {
namespace {

std::mutex messages_mutex;
std::vector<std::string> messages;

/// Debian 12's vulkan_raii.hpp asks every device for this function of physical devices. Layers from 1.4 on say so;
/// nothing here calls it.
bool of_the_header(std::string_view message) {
  return message.find("vkGetDeviceProcAddr") != std::string_view::npos &&
         message.find("vkGetPhysicalDeviceVideoEncodeQualityLevelPropertiesKHR") != std::string_view::npos;
}

}  // namespace

void note_validation(const std::string& text) {
  if (of_the_header(text)) return;
  (void)std::fprintf(stderr, "Vulkan validation: %s\n", text.c_str());
  const std::lock_guard lock(messages_mutex);
  messages.push_back(text);
}

std::vector<std::string> validation_messages() {
  const std::lock_guard lock(messages_mutex);
  return messages;
}

}  // namespace dit::vulkan
