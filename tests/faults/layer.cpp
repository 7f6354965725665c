// SPDX-License-Identifier: MIT
// source: the Vulkan loader's layer interface, version 2
#define VK_NO_PROTOTYPES
#include <vulkan/vk_layer.h>

#include <algorithm>
#include <cstring>
#include <iterator>
#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tests/faults/faults.h"

namespace {

/// What a call returns; VK_SUCCESS where it cannot fail that way.
struct Codes {
  VkResult memory, loss;
};

constexpr Codes host = {VK_ERROR_OUT_OF_HOST_MEMORY, VK_SUCCESS};
constexpr Codes device_memory = {VK_ERROR_OUT_OF_DEVICE_MEMORY, VK_SUCCESS};
constexpr Codes work = {VK_ERROR_OUT_OF_HOST_MEMORY, VK_ERROR_DEVICE_LOST};

/// Whether a function that this layer has belongs to instances; every other one belongs to devices.
bool of_instances(std::string_view name) {
  constexpr static std::string_view all[] = {"vkGetInstanceProcAddr", "vkCreateInstance", "vkDestroyInstance",
                                             "vkEnumeratePhysicalDevices", "vkCreateDevice"};
  return std::ranges::find(all, name) != std::end(all);
}

/// An instance or a device, found by the dispatch table that its handles point to.
struct Object {
  PFN_vkGetInstanceProcAddr instance_next = nullptr;
  PFN_vkGetDeviceProcAddr device_next = nullptr;
  VkInstance instance = nullptr;
  VkDevice device = nullptr;
  bool lost = false;
  /// The next link's versions of what this layer has. Asked for while the object is being made: later the loader
  /// answers with the first link of the chain, and calls would go round for ever.
  std::map<std::string_view, PFN_vkVoidFunction> functions = {};

  /// vkGetDeviceProcAddr knows nothing of what takes an instance or a physical device, and may not be asked for it.
  PFN_vkVoidFunction ask(const char* name) const {
    if (device_next && of_instances(name)) return nullptr;
    return device_next ? device_next(device, name) : instance_next(instance, name);
  }
  PFN_vkVoidFunction next(std::string_view name) const { return functions.at(name); }
};

struct Layer {
  std::mutex mutex;
  std::map<void*, Object> objects;
  std::vector<const char*> calls;
  std::uint64_t nth = 0;
  DitFault fault = DIT_FAULT_MEMORY;
  std::string dead;                         // prefix of the names of pipelines that do nothing
  std::map<std::uint64_t, bool> pipelines;  // by handle: whether it does nothing
  std::map<VkCommandBuffer, bool> bound;    // whether what is bound does nothing
};

// Never destroyed: drivers may call in when static objects are gone.
Layer& layer() {
  static Layer& one = *new Layer;
  return one;
}

void* key_of(const void* handle) {
  void* key;
  std::memcpy(&key, handle, sizeof(key));
  return key;
}

/// What the call shall return; VK_SUCCESS: go on to the driver. `lost` is the device's own mark.
VkResult decide(const char* name, const Codes& codes, bool* lost) {
  Layer& l = layer();
  const bool loss = l.fault == DIT_FAULT_LOSS;
  const VkResult code = loss ? codes.loss : codes.memory;
  if (lost && *lost && codes.loss != VK_SUCCESS) return codes.loss;
  if (code == VK_SUCCESS) return VK_SUCCESS;
  l.calls.push_back(name);
  if (l.nth == 0 || l.calls.size() < l.nth) return VK_SUCCESS;
  if (l.calls.size() > l.nth && l.fault == DIT_FAULT_MEMORY) return VK_SUCCESS;
  if (loss && l.calls.size() > l.nth) return VK_SUCCESS;  // another device, opened since
  if (loss && lost) *lost = true;
  return code;
}

template <std::size_t N>
struct Name {
  constexpr Name(const char (&text)[N]) { std::copy_n(text, N, value); }
  char value[N];
};

template <Name name, Codes codes, typename Function>
struct Wrapped;

/// Any call that takes a dispatchable handle first and returns a result.
template <Name name, Codes codes, typename Handle, typename... Arguments>
struct Wrapped<name, codes, VkResult(VKAPI_PTR*)(Handle, Arguments...)> {
  static VKAPI_ATTR VkResult VKAPI_CALL call(Handle handle, Arguments... arguments) {
    PFN_vkVoidFunction next = nullptr;
    PFN_vkDeviceWaitIdle idle = nullptr;
    VkDevice device = nullptr;
    VkResult result = VK_SUCCESS;
    {
      const std::lock_guard lock(layer().mutex);
      Object& object = layer().objects.at(key_of(handle));
      next = object.next(name.value);
      device = object.device;
      const bool before = object.lost;
      result = decide(name.value, codes, device ? &object.lost : nullptr);
      if (object.lost && !before) idle = reinterpret_cast<PFN_vkDeviceWaitIdle>(object.next("vkDeviceWaitIdle"));
    }
    // A lost device runs nothing any more, and the engine may destroy what its work used.
    if (idle) idle(device);
    if (result != VK_SUCCESS) return result;
    return reinterpret_cast<VkResult(VKAPI_PTR*)(Handle, Arguments...)>(next)(handle, arguments...);
  }
};

/// Keeps a new object with the functions it has next.
void keep(void* key, Object object);

/// The chain link that the loader left for this layer.
template <typename Link>
Link* find_link(const void* next, VkStructureType type) {
  auto* link = static_cast<Link*>(const_cast<void*>(next));
  while (link && (link->sType != type || link->function != VK_LAYER_LINK_INFO))
    link = static_cast<Link*>(const_cast<void*>(link->pNext));
  return link;
}

VKAPI_ATTR VkResult VKAPI_CALL create_instance(const VkInstanceCreateInfo* info, const VkAllocationCallbacks* callbacks,
                                               VkInstance* instance) {
  auto* link = find_link<VkLayerInstanceCreateInfo>(info->pNext, VK_STRUCTURE_TYPE_LOADER_INSTANCE_CREATE_INFO);
  const auto next = link->u.pLayerInfo->pfnNextGetInstanceProcAddr;
  link->u.pLayerInfo = link->u.pLayerInfo->pNext;
  {
    const std::lock_guard lock(layer().mutex);
    const VkResult fault =
        decide("vkCreateInstance", {VK_ERROR_OUT_OF_HOST_MEMORY, VK_ERROR_INITIALIZATION_FAILED}, nullptr);
    if (fault != VK_SUCCESS) return fault;
  }
  const auto create = reinterpret_cast<PFN_vkCreateInstance>(next(nullptr, "vkCreateInstance"));
  const VkResult result = create(info, callbacks, instance);
  if (result != VK_SUCCESS) return result;
  keep(key_of(*instance), {.instance_next = next, .instance = *instance});
  return result;
}

VKAPI_ATTR VkResult VKAPI_CALL create_device(VkPhysicalDevice physical, const VkDeviceCreateInfo* info,
                                             const VkAllocationCallbacks* callbacks, VkDevice* device) {
  auto* link = find_link<VkLayerDeviceCreateInfo>(info->pNext, VK_STRUCTURE_TYPE_LOADER_DEVICE_CREATE_INFO);
  const auto next_instance = link->u.pLayerInfo->pfnNextGetInstanceProcAddr;
  const auto next_device = link->u.pLayerInfo->pfnNextGetDeviceProcAddr;
  link->u.pLayerInfo = link->u.pLayerInfo->pNext;
  VkInstance instance = nullptr;
  {
    const std::lock_guard lock(layer().mutex);
    instance = layer().objects.at(key_of(physical)).instance;
    const VkResult fault = decide("vkCreateDevice", {VK_ERROR_OUT_OF_DEVICE_MEMORY, VK_ERROR_DEVICE_LOST}, nullptr);
    if (fault != VK_SUCCESS) return fault;
  }
  const auto create = reinterpret_cast<PFN_vkCreateDevice>(next_instance(instance, "vkCreateDevice"));
  const VkResult result = create(physical, info, callbacks, device);
  if (result != VK_SUCCESS) return result;
  keep(key_of(*device), {.device_next = next_device, .device = *device});
  return result;
}

/// Destroys through `name`, after which another object may get the same dispatch table.
template <typename Handle>
void destroy(Handle handle, const VkAllocationCallbacks* callbacks, const char* name) {
  if (!handle) return;
  PFN_vkVoidFunction next = nullptr;
  {
    const std::lock_guard lock(layer().mutex);
    const auto found = layer().objects.find(key_of(handle));
    next = found->second.next(name);
    layer().objects.erase(found);
  }
  reinterpret_cast<void(VKAPI_PTR*)(Handle, const VkAllocationCallbacks*)>(next)(handle, callbacks);
}

VKAPI_ATTR void VKAPI_CALL destroy_instance(VkInstance instance, const VkAllocationCallbacks* callbacks) {
  destroy(instance, callbacks, "vkDestroyInstance");
}

VKAPI_ATTR void VKAPI_CALL destroy_device(VkDevice device, const VkAllocationCallbacks* callbacks) {
  destroy(device, callbacks, "vkDestroyDevice");
}

/// What the next link has under `name`, for a device or one of its command buffers or queues.
template <typename Function>
Function next_of(const void* handle, const char* name) {
  return reinterpret_cast<Function>(layer().objects.at(key_of(handle)).ask(name));
}

VKAPI_ATTR void VKAPI_CALL bind_pipeline(VkCommandBuffer commands, VkPipelineBindPoint point, VkPipeline pipeline) {
  PFN_vkCmdBindPipeline next = nullptr;
  {
    const std::lock_guard lock(layer().mutex);
    next = next_of<PFN_vkCmdBindPipeline>(commands, "vkCmdBindPipeline");
    layer().bound[commands] = layer().pipelines[reinterpret_cast<std::uint64_t>(pipeline)];
  }
  next(commands, point, pipeline);
}

VKAPI_ATTR void VKAPI_CALL dispatch(VkCommandBuffer commands, std::uint32_t x, std::uint32_t y, std::uint32_t z) {
  PFN_vkCmdDispatch next = nullptr;
  {
    const std::lock_guard lock(layer().mutex);
    if (layer().bound[commands]) return;
    next = next_of<PFN_vkCmdDispatch>(commands, "vkCmdDispatch");
  }
  next(commands, x, y, z);
}

/// Hears the names of pipelines, then goes on as any other call.
VKAPI_ATTR VkResult VKAPI_CALL set_name(VkDevice device, const VkDebugUtilsObjectNameInfoEXT* info) {
  if (info->objectType == VK_OBJECT_TYPE_PIPELINE) {
    const std::lock_guard lock(layer().mutex);
    const std::string& dead = layer().dead;
    layer().pipelines[info->objectHandle] = !dead.empty() && std::string_view(info->pObjectName).starts_with(dead);
  }
  return Wrapped<"vkSetDebugUtilsObjectNameEXT", host, PFN_vkSetDebugUtilsObjectNameEXT>::call(device, info);
}

VKAPI_ATTR PFN_vkVoidFunction VKAPI_CALL get_instance(VkInstance instance, const char* name);
VKAPI_ATTR PFN_vkVoidFunction VKAPI_CALL get_device(VkDevice device, const char* name);

template <typename Function>
PFN_vkVoidFunction as_void(Function function) {
  return reinterpret_cast<PFN_vkVoidFunction>(function);
}

template <Name name, Codes codes, typename Function>
std::pair<std::string_view, PFN_vkVoidFunction> own_version() {
  // The parameter object of equal names is one, and lives as long as the program.
  return {name.value, as_void(&Wrapped<name, codes, Function>::call)};
}

/// This layer's own versions of functions.
const std::map<std::string_view, PFN_vkVoidFunction>& own_functions() {
#define DIT_WRAP(function, codes) own_version<#function, codes, PFN_##function>()
  constexpr static Codes map_failed = {VK_ERROR_MEMORY_MAP_FAILED, VK_SUCCESS};
  constexpr static Codes no_pool = {VK_ERROR_OUT_OF_POOL_MEMORY, VK_SUCCESS};
  constexpr static Codes start = {VK_ERROR_OUT_OF_HOST_MEMORY, VK_ERROR_INITIALIZATION_FAILED};
  static const std::map<std::string_view, PFN_vkVoidFunction> own = {
      {"vkGetInstanceProcAddr", as_void(&get_instance)},
      {"vkGetDeviceProcAddr", as_void(&get_device)},
      {"vkCreateInstance", as_void(&create_instance)},
      {"vkDestroyInstance", as_void(&destroy_instance)},
      {"vkCreateDevice", as_void(&create_device)},
      {"vkDestroyDevice", as_void(&destroy_device)},
      {"vkCmdBindPipeline", as_void(&bind_pipeline)},
      {"vkCmdDispatch", as_void(&dispatch)},
      {"vkSetDebugUtilsObjectNameEXT", as_void(&set_name)},
      DIT_WRAP(vkEnumeratePhysicalDevices, start),
      DIT_WRAP(vkAllocateCommandBuffers, host),
      DIT_WRAP(vkAllocateDescriptorSets, no_pool),
      DIT_WRAP(vkAllocateMemory, device_memory),
      DIT_WRAP(vkBeginCommandBuffer, device_memory),
      DIT_WRAP(vkBindBufferMemory, device_memory),
      DIT_WRAP(vkBindBufferMemory2, device_memory),
      DIT_WRAP(vkCreateBuffer, device_memory),
      DIT_WRAP(vkCreateCommandPool, host),
      DIT_WRAP(vkCreateComputePipelines, device_memory),
      DIT_WRAP(vkCreateDescriptorPool, device_memory),
      DIT_WRAP(vkCreateDescriptorSetLayout, host),
      DIT_WRAP(vkCreateEvent, device_memory),
      DIT_WRAP(vkCreateFence, host),
      DIT_WRAP(vkCreatePipelineCache, host),
      DIT_WRAP(vkCreatePipelineLayout, host),
      DIT_WRAP(vkCreateQueryPool, device_memory),
      DIT_WRAP(vkCreateSemaphore, host),
      DIT_WRAP(vkCreateShaderModule, host),
      DIT_WRAP(vkDeviceWaitIdle, work),
      DIT_WRAP(vkEndCommandBuffer, device_memory),
      DIT_WRAP(vkFlushMappedMemoryRanges, host),
      DIT_WRAP(vkGetEventStatus, work),
      DIT_WRAP(vkGetFenceStatus, work),
      DIT_WRAP(vkGetPipelineCacheData, host),
      DIT_WRAP(vkGetQueryPoolResults, work),
      DIT_WRAP(vkGetSemaphoreCounterValue, work),
      DIT_WRAP(vkInvalidateMappedMemoryRanges, host),
      DIT_WRAP(vkMapMemory, map_failed),
      DIT_WRAP(vkMergePipelineCaches, host),
      DIT_WRAP(vkQueueSubmit, work),
      DIT_WRAP(vkQueueWaitIdle, work),
      DIT_WRAP(vkResetCommandBuffer, device_memory),
      DIT_WRAP(vkResetCommandPool, device_memory),
      DIT_WRAP(vkResetFences, device_memory),
      DIT_WRAP(vkSetEvent, device_memory),
      DIT_WRAP(vkSignalSemaphore, host),
      DIT_WRAP(vkWaitForFences, work),
      DIT_WRAP(vkWaitSemaphores, work),
  };
#undef DIT_WRAP
  return own;
}

void keep(void* key, Object object) {
  for (const auto& [name, function] : own_functions()) object.functions[name] = object.ask(std::string(name).c_str());
  const std::lock_guard lock(layer().mutex);
  layer().objects[key] = std::move(object);
}

/// The own version where the next one in the chain exists, else whatever the chain has.
PFN_vkVoidFunction pick(void* key, const char* name) {
  const auto own = own_functions().find(name);
  const std::unique_lock lock(layer().mutex);
  const auto found = layer().objects.find(key);
  // The loader asks for some functions before the object is there.
  if (found == layer().objects.end()) return own == own_functions().end() ? nullptr : own->second;
  if (own == own_functions().end()) return found->second.ask(name);
  return found->second.next(name) ? own->second : nullptr;
}

VKAPI_ATTR PFN_vkVoidFunction VKAPI_CALL get_instance(VkInstance instance, const char* name) {
  return pick(instance ? key_of(instance) : nullptr, name);
}

VKAPI_ATTR PFN_vkVoidFunction VKAPI_CALL get_device(VkDevice device, const char* name) {
  return pick(key_of(device), name);
}

}  // namespace

#define DIT_VISIBLE __attribute__((visibility("default")))

extern "C" {

DIT_VISIBLE VkResult vkNegotiateLoaderLayerInterfaceVersion(VkNegotiateLayerInterface* offer) {
  offer->loaderLayerInterfaceVersion = std::min(offer->loaderLayerInterfaceVersion, 2u);
  offer->pfnGetInstanceProcAddr = get_instance;
  offer->pfnGetDeviceProcAddr = get_device;
  offer->pfnGetPhysicalDeviceProcAddr = nullptr;
  return VK_SUCCESS;
}

DIT_VISIBLE void dit_faults_arm(std::uint64_t nth, DitFault fault) {
  const std::lock_guard lock(layer().mutex);
  layer().calls.clear();
  layer().nth = nth;
  layer().fault = fault;
}

DIT_VISIBLE void dit_faults_deaden(const char* prefix) {
  const std::lock_guard lock(layer().mutex);
  layer().dead = prefix ? prefix : "";
}

DIT_VISIBLE std::uint64_t dit_faults_count() {
  const std::lock_guard lock(layer().mutex);
  return layer().calls.size();
}

DIT_VISIBLE const char* dit_faults_name(std::uint64_t nth) {
  const std::lock_guard lock(layer().mutex);
  return nth >= 1 && nth <= layer().calls.size() ? layer().calls[nth - 1] : nullptr;
}
}
