// SPDX-License-Identifier: MIT
#include "engine/vulkan/device/instance.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <string_view>

#include "engine/vulkan/device/validation.h"

namespace dit::vulkan {
namespace {

constexpr const char* validation_layer = "VK_LAYER_KHRONOS_validation";
constexpr std::uint32_t storage_buffers_needed = 7;  // modulated_linear, final, combine
constexpr std::uint32_t shared_memory_needed = 16384;
constexpr std::uint32_t invocations_needed = 64;

VKAPI_ATTR VkBool32 VKAPI_CALL on_message(VkDebugUtilsMessageSeverityFlagBitsEXT, VkDebugUtilsMessageTypeFlagsEXT,
                                          const VkDebugUtilsMessengerCallbackDataEXT* data, void*) {
  note_validation(data->pMessage ? data->pMessage : "message without text");
  return VK_FALSE;
}

vk::DebugUtilsMessengerCreateInfoEXT messenger_info() {
  // By way of C's structure: the callback's type in vk:: is another one from header 1.4 on.
  VkDebugUtilsMessengerCreateInfoEXT info = {};
  info.sType = VK_STRUCTURE_TYPE_DEBUG_UTILS_MESSENGER_CREATE_INFO_EXT;
  info.messageSeverity =
      VK_DEBUG_UTILS_MESSAGE_SEVERITY_WARNING_BIT_EXT | VK_DEBUG_UTILS_MESSAGE_SEVERITY_ERROR_BIT_EXT;
  info.messageType = VK_DEBUG_UTILS_MESSAGE_TYPE_VALIDATION_BIT_EXT | VK_DEBUG_UTILS_MESSAGE_TYPE_PERFORMANCE_BIT_EXT;
  info.pfnUserCallback = on_message;
  return info;
}

/// The value of DIT_VULKAN_VALIDATION; empty when off.
std::string_view validation_level() {
  const char* value = std::getenv("DIT_VULKAN_VALIDATION");
  return !value || std::strcmp(value, "0") == 0 ? "" : value;
}

template <typename Properties>
bool lists(const std::vector<Properties>& found, const char* name) {
  return std::any_of(found.begin(), found.end(), [name](const Properties& p) {
    if constexpr (std::is_same_v<Properties, vk::LayerProperties>) {
      return std::strcmp(p.layerName, name) == 0;
    } else {
      return std::strcmp(p.extensionName, name) == 0;
    }
  });
}

vk::raii::Context open_loader() {
  try {
    return vk::raii::Context();
  } catch (const std::exception&) {
    fail(ErrorKind::device, "no Vulkan loader: libvulkan.so.1 cannot be opened (Debian package libvulkan1)");
  }
}

void create(Instance& instance, bool validation) {
  const std::uint32_t loader = instance.context.enumerateInstanceVersion();
  expect(loader >= VK_API_VERSION_1_2, ErrorKind::device, "the Vulkan loader offers Vulkan {}, needs 1.2",
         version_text(loader));

  std::vector<const char*> layers, extensions;
  const auto available = instance.context.enumerateInstanceExtensionProperties();
  instance.debug_utils = lists(available, VK_EXT_DEBUG_UTILS_EXTENSION_NAME);
  vk::InstanceCreateFlags flags;
  if (lists(available, VK_KHR_PORTABILITY_ENUMERATION_EXTENSION_NAME)) {
    extensions.push_back(VK_KHR_PORTABILITY_ENUMERATION_EXTENSION_NAME);
    flags |= vk::InstanceCreateFlagBits::eEnumeratePortabilityKHR;
  }
  if (validation) {
    expect(lists(instance.context.enumerateInstanceLayerProperties(), validation_layer), ErrorKind::device,
           "DIT_VULKAN_VALIDATION={}: layer {} is not installed (Debian package vulkan-validationlayers)",
           validation_level(), validation_layer);
    layers.push_back(validation_layer);
    extensions.push_back(VK_EXT_VALIDATION_FEATURES_EXTENSION_NAME);
    instance.debug_utils = true;  // the layer brings it
  }
  if (instance.debug_utils) extensions.push_back(VK_EXT_DEBUG_UTILS_EXTENSION_NAME);

  std::vector<vk::ValidationFeatureEnableEXT> checks = {vk::ValidationFeatureEnableEXT::eSynchronizationValidation};
  if (validation_level() == "gpu") {
    checks = {vk::ValidationFeatureEnableEXT::eGpuAssisted,
              vk::ValidationFeatureEnableEXT::eGpuAssistedReserveBindingSlot};
  }
  vk::ValidationFeaturesEXT features(checks, {});
  vk::DebugUtilsMessengerCreateInfoEXT messenger = messenger_info();
  features.pNext = &messenger;
  // 1.3 for matrix hardware; all else asks for 1.2 alone.
  const vk::ApplicationInfo application("ditsrc", 1, "dit", 1, VK_API_VERSION_1_3);
  vk::InstanceCreateInfo info(flags, &application, layers, extensions);
  if (validation) info.pNext = &features;
  instance.handle = vk::raii::Instance(instance.context, info);
  if (validation) instance.messenger = vk::raii::DebugUtilsMessengerEXT(instance.handle, messenger_info());
}

const char* yes_no(bool value) { return value ? "yes" : "no"; }

std::string problem_of(const vk::raii::PhysicalDevice& device, const vk::PhysicalDeviceProperties& properties) {
  if (is_null_device(device)) {
    return "a null device: it has no memory, compiles kernels for hardware that is not there, and runs none";
  }
  if (properties.apiVersion < VK_API_VERSION_1_2) {
    return fmt::format("offers Vulkan {}.{}, needs 1.2", VK_API_VERSION_MAJOR(properties.apiVersion),
                       VK_API_VERSION_MINOR(properties.apiVersion));
  }
  if (compute_family(device) == UINT32_MAX) return "offers no compute queue";
  const vk::PhysicalDeviceLimits& limits = properties.limits;
  if (limits.maxPerStageDescriptorStorageBuffers < storage_buffers_needed) {
    return fmt::format("offers {} storage buffers a kernel, needs {}", limits.maxPerStageDescriptorStorageBuffers,
                       storage_buffers_needed);
  }
  if (limits.maxComputeSharedMemorySize < shared_memory_needed) {
    return fmt::format("offers {} bytes of shared memory, needs {}", limits.maxComputeSharedMemorySize,
                       shared_memory_needed);
  }
  if (limits.maxComputeWorkGroupInvocations < invocations_needed) {
    return fmt::format("offers workgroups of {}, needs {}", limits.maxComputeWorkGroupInvocations, invocations_needed);
  }
  return {};
}

void add_limits(DeviceInfo& info, const vk::raii::PhysicalDevice& device) {
  const auto chain = device.getProperties2<vk::PhysicalDeviceProperties2, vk::PhysicalDeviceSubgroupProperties,
                                           vk::PhysicalDeviceMaintenance3Properties>();
  const vk::PhysicalDeviceLimits& limits = chain.get<vk::PhysicalDeviceProperties2>().properties.limits;
  const auto features = device.getFeatures2<vk::PhysicalDeviceFeatures2, vk::PhysicalDeviceVulkan12Features>();
  const auto& vulkan12 = features.get<vk::PhysicalDeviceVulkan12Features>();
  const auto add = [&info](const char* name, std::string value) { info.limits.emplace_back(name, std::move(value)); };

  const auto& size = limits.maxComputeWorkGroupSize;
  add("shared memory", size_text(limits.maxComputeSharedMemorySize));
  add("workgroup",
      fmt::format("{} invocations, {} x {} x {}", limits.maxComputeWorkGroupInvocations, size[0], size[1], size[2]));
  add("subgroup", std::to_string(chain.get<vk::PhysicalDeviceSubgroupProperties>().subgroupSize));
  add("storage buffer", size_text(limits.maxStorageBufferRange));
  add("allocation", size_text(chain.get<vk::PhysicalDeviceMaintenance3Properties>().maxMemoryAllocationSize));
  const auto families = device.getQueueFamilyProperties();
  const std::uint32_t family = compute_family(device);
  const bool timed = family != UINT32_MAX && families[family].timestampValidBits > 0;
  add("timestamp", timed ? fmt::format("{} ns", limits.timestampPeriod) : "none");
  add("f16 arithmetic", yes_no(vulkan12.shaderFloat16));
  add("int8 arithmetic", yes_no(vulkan12.shaderInt8));
  for (const char* name : {"VK_KHR_cooperative_matrix", "VK_NV_cooperative_matrix", "VK_NV_cooperative_matrix2",
                           "VK_EXT_subgroup_size_control", "VK_EXT_memory_budget"}) {
    add(name, yes_no(has_extension(device, name)));
  }
}

}  // namespace

std::string version_text(std::uint32_t version) {
  return fmt::format("{}.{}.{}", VK_API_VERSION_MAJOR(version), VK_API_VERSION_MINOR(version),
                     VK_API_VERSION_PATCH(version));
}

std::string size_text(std::uint64_t size_bytes) {
  const auto size = static_cast<double>(size_bytes);
  if (size_bytes < 1u << 20) return fmt::format("{:.4g} KiB", size / 1024);
  if (size_bytes < 1u << 30) return fmt::format("{:.1f} MiB", size / (1 << 20));
  return fmt::format("{:.1f} GiB", size / (1 << 30));
}

/// Keeps the first instance for the life of the process. When the last one goes the loader unloads the drivers, and
/// some cannot be loaded more than about ten times: NVIDIA's 580 then finds no room for its thread-local storage.
void keep_drivers_loaded(const std::shared_ptr<Instance>& instance) {
  // Never destroyed: a driver may be gone already when static objects are. Unread, so without the attribute the
  // compiler drops the pointer, and leak checkers find nothing that leads to the instance.
  [[gnu::used]] static const auto* const first = new std::shared_ptr<Instance>(instance);
}

std::shared_ptr<Instance> make_instance(bool validation) {
  const std::shared_ptr<Instance> instance(new Instance{.context = open_loader()});
  translated("Vulkan instance", [&] {
    try {
      create(*instance, validation && !validation_level().empty());
    } catch (const vk::IncompatibleDriverError&) {
      fail(ErrorKind::device, "no Vulkan driver is installed");
    }
  });
  keep_drivers_loaded(instance);
  return instance;
}

std::uint32_t compute_family(const vk::raii::PhysicalDevice& device) {
  const auto families = device.getQueueFamilyProperties();
  for (std::uint32_t i = 0; i < families.size(); ++i) {
    if (families[i].queueFlags & vk::QueueFlagBits::eCompute) return i;
  }
  return UINT32_MAX;
}

bool is_null_device(const vk::raii::PhysicalDevice& device) {
  const vk::PhysicalDeviceMemoryProperties memory = device.getMemoryProperties();
  return std::all_of(memory.memoryHeaps.begin(), memory.memoryHeaps.begin() + memory.memoryHeapCount,
                     [](const vk::MemoryHeap& heap) { return heap.size == 0; });
}

bool has_extension(const vk::raii::PhysicalDevice& device, const char* name) {
  return lists(device.enumerateDeviceExtensionProperties(), name);
}

DeviceInfo describe_device(const vk::raii::PhysicalDevice& device, std::size_t index) {
  const vk::PhysicalDeviceProperties properties = device.getProperties();
  DeviceInfo info;
  info.spec = fmt::format("vulkan:{}", index);
  info.name = properties.deviceName.data();
  info.api = version_text(properties.apiVersion);
  info.software = properties.deviceType == vk::PhysicalDeviceType::eCpu;
  const vk::PhysicalDeviceMemoryProperties memory = device.getMemoryProperties();
  info.integrated = properties.deviceType == vk::PhysicalDeviceType::eIntegratedGpu ||
                    properties.deviceType == vk::PhysicalDeviceType::eVirtualGpu;
  info.hardware_gpu =
      !is_null_device(device) && (info.integrated || properties.deviceType == vk::PhysicalDeviceType::eDiscreteGpu);
  for (std::uint32_t i = 0; i < memory.memoryHeapCount; ++i) {
    if (memory.memoryHeaps[i].flags & vk::MemoryHeapFlagBits::eDeviceLocal) {
      info.memory_bytes = std::max<std::uint64_t>(info.memory_bytes, memory.memoryHeaps[i].size);
    }
  }
  info.problem = problem_of(device, properties);
  // The queries below came with Vulkan 1.2.
  if (properties.apiVersion < VK_API_VERSION_1_2) return info;
  const auto driver = device.getProperties2<vk::PhysicalDeviceProperties2, vk::PhysicalDeviceDriverProperties>()
                          .get<vk::PhysicalDeviceDriverProperties>();
  info.driver = fmt::format("{} {}", driver.driverName.data(), driver.driverInfo.data());
  add_limits(info, device);
  return info;
}

}  // namespace dit::vulkan
