// SPDX-License-Identifier: MIT
#include "engine/vulkan/device/device.h"

#include <algorithm>
#include <mutex>
#include <thread>
#include <vector>

#include "engine/vulkan/choose/tuned.h"
#include "shaders/common/stage.h"

namespace dit::vulkan {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::uint64_t slice_ns = 20'000'000;
// A step of a large model takes milliseconds on a GPU and many seconds on a software device.
constexpr std::chrono::seconds hardware_limit{60}, software_limit{900}, starved_limit{2};
constexpr std::uint32_t stage_storage_buffers = 11;  // fused/persistent.comp

/// Memory flags that a use asks for, best first.
std::vector<vk::MemoryPropertyFlags> wishes(Memory memory) {
  using Flag = vk::MemoryPropertyFlagBits;
  switch (memory) {
    case Memory::device:
      return {Flag::eDeviceLocal};
    case Memory::upload:
      return {Flag::eDeviceLocal | Flag::eHostVisible | Flag::eHostCoherent, Flag::eHostVisible | Flag::eHostCoherent};
    case Memory::read_back:
      return {Flag::eHostVisible | Flag::eHostCached | Flag::eHostCoherent, Flag::eHostVisible | Flag::eHostCached,
              Flag::eHostVisible | Flag::eHostCoherent};
  }
  return {};
}

std::string identity_of(const vk::raii::PhysicalDevice& physical) {
  const auto chain = physical.getProperties2<vk::PhysicalDeviceProperties2, vk::PhysicalDeviceIDProperties>();
  std::string text;
  for (const std::uint8_t byte : chain.get<vk::PhysicalDeviceIDProperties>().deviceUUID)
    text += fmt::format("{:02x}", byte);
  return text + fmt::format("-{:08x}", chain.get<vk::PhysicalDeviceProperties2>().properties.driverVersion);
}

}  // namespace

void keep_for_ever(std::shared_ptr<const void> what) {
  static std::mutex mutex;
  static auto& kept = *new std::vector<std::shared_ptr<const void>>;
  const std::lock_guard lock(mutex);
  kept.push_back(std::move(what));
}

Buffer::Buffer(Device& device, Memory memory, std::uint64_t size_bytes, const std::string& name)
    : device_(&device), size_bytes_(size_bytes) {
  expect(size_bytes <= device.allocation_limit(), ErrorKind::out_of_memory, "{} needs {}, {} allocates at most {}",
         name, size_text(size_bytes), device.info().name, size_text(device.allocation_limit()));
  using Usage = vk::BufferUsageFlagBits;
  buffer_ = vk::raii::Buffer(device.handle(), vk::BufferCreateInfo({}, size_bytes,
                                                                   Usage::eStorageBuffer | Usage::eUniformBuffer |
                                                                       Usage::eTransferSrc | Usage::eTransferDst));
  const vk::MemoryRequirements needs = buffer_.getMemoryRequirements();
  const vk::PhysicalDeviceMemoryProperties types = device.physical().getMemoryProperties();
  std::uint64_t most_free = 0;
  for (const vk::MemoryPropertyFlags wish : wishes(memory)) {
    for (std::uint32_t i = 0; i < types.memoryTypeCount; ++i) {
      const vk::MemoryType& type = types.memoryTypes[i];
      if (!(needs.memoryTypeBits >> i & 1) || (type.propertyFlags & wish) != wish) continue;
      const std::uint64_t free_bytes = device.free_bytes(type.heapIndex);
      most_free = std::max(most_free, free_bytes);
      if (needs.size > free_bytes || !allocate(i, name)) continue;
      if (memory != Memory::device) mapped_ = static_cast<std::byte*>(memory_.mapMemory(0, VK_WHOLE_SIZE));
      coherent_ = static_cast<bool>(type.propertyFlags & vk::MemoryPropertyFlagBits::eHostCoherent);
      return;
    }
  }
  fail(ErrorKind::out_of_memory, "{} needs {}, {} has {} free", name, size_text(needs.size), device.info().name,
       size_text(most_free));
}

bool Buffer::allocate(std::uint32_t type, const std::string& name) {
  const std::uint64_t size = buffer_.getMemoryRequirements().size;
  try {
    memory_ = vk::raii::DeviceMemory(device_->handle(), vk::MemoryAllocateInfo(size, type));
  } catch (const vk::OutOfDeviceMemoryError&) {
    return false;
  }
  buffer_.bindMemory(*memory_, 0);
  device_->name(buffer_, name);
  return true;
}

Buffer::~Buffer() {
  if (!*buffer_ || !device_->stuck()) return;
  keep_for_ever(std::make_shared<vk::raii::Buffer>(std::move(buffer_)));
  keep_for_ever(std::make_shared<vk::raii::DeviceMemory>(std::move(memory_)));
}

void Buffer::flush() const {
  if (!coherent_) device_->handle().flushMappedMemoryRanges(vk::MappedMemoryRange(*memory_, 0, VK_WHOLE_SIZE));
}

void Buffer::invalidate() const {
  if (!coherent_) device_->handle().invalidateMappedMemoryRanges(vk::MappedMemoryRange(*memory_, 0, VK_WHOLE_SIZE));
}

Device::Device(std::shared_ptr<Instance> instance, const vk::raii::PhysicalDevice& physical, DeviceInfo info,
               bool statistics)
    : instance_(std::move(instance)), physical_(physical), info_(std::move(info)), identity_(identity_of(physical)) {
  const auto properties =
      physical_.getProperties2<vk::PhysicalDeviceProperties2, vk::PhysicalDeviceMaintenance3Properties>();
  limits_ = properties.get<vk::PhysicalDeviceProperties2>().properties.limits;
  allocation_limit_ = properties.get<vk::PhysicalDeviceMaintenance3Properties>().maxMemoryAllocationSize;
  family_ = compute_family(physical_);

  std::vector<const char*> extensions;
  // A device that offers the portability subset must have it enabled.
  for (const char* name : {"VK_KHR_portability_subset", VK_EXT_MEMORY_BUDGET_EXTENSION_NAME}) {
    if (has_extension(physical_, name)) extensions.push_back(name);
  }
  memory_budget_ = has_extension(physical_, VK_EXT_MEMORY_BUDGET_EXTENSION_NAME);

  choose_features(extensions);
  vk::PhysicalDeviceVulkan12Features features;
  MatrixFeatures matrix_features(abilities_.matrices);
  const bool matrix = matrix_features.extension_name() != nullptr;
  features.shaderFloat16 = features.vulkanMemoryModel = features.vulkanMemoryModelDeviceScope = matrix;
  features.pNext = matrix_features.chained(nullptr);
  features.hostQueryReset = abilities_.host_resets_queries;
  vk::PhysicalDevicePipelineExecutablePropertiesFeaturesKHR executables(true);
  abilities_.statistics = statistics && has_extension(physical_, VK_KHR_PIPELINE_EXECUTABLE_PROPERTIES_EXTENSION_NAME);
  if (abilities_.statistics) {
    extensions.push_back(VK_KHR_PIPELINE_EXECUTABLE_PROPERTIES_EXTENSION_NAME);
    executables.pNext = std::exchange(features.pNext, &executables);
  }
  const float priority = 1;
  const vk::DeviceQueueCreateInfo queue({}, family_, 1, &priority);
  vk::DeviceCreateInfo create({}, queue, {}, extensions);
  create.pNext = &features;
  handle_ = vk::raii::Device(physical_, create);
  table_ = table_of(device_class());
  if (const auto tuned = read_tuned(CacheFolder::of_user(), identity_)) table_ = with_tuned(table_, *tuned);
  // RADV's has no fences, and crashes where it frees a command buffer.
  if (is_null_device(physical_)) return;
  queue_ = vk::raii::Queue(handle_, family_, 0);
  pool_ = vk::raii::CommandPool(handle_,
                                vk::CommandPoolCreateInfo(vk::CommandPoolCreateFlagBits::eResetCommandBuffer, family_));
  once_ = std::move(
      vk::raii::CommandBuffers(handle_, vk::CommandBufferAllocateInfo(*pool_, vk::CommandBufferLevel::ePrimary, 1))
          .front());
  once_done_ = vk::raii::Fence(handle_, vk::FenceCreateInfo());
}

void Device::choose_features(std::vector<const char*>& extensions) {
  const auto features = physical_.getFeatures2<vk::PhysicalDeviceFeatures2, vk::PhysicalDeviceVulkan12Features>();
  const auto& offered = features.get<vk::PhysicalDeviceVulkan12Features>();
  abilities_.stages = limits_.maxPerStageDescriptorStorageBuffers >= stage_storage_buffers &&
                      limits_.maxUniformBufferRange >= STAGES_LIMIT * sizeof(params::Stage);
  abilities_.host_resets_queries = offered.hostQueryReset;
  abilities_.processors = info_.software ? 1 : 8;
  if (has_extension(physical_, VK_NV_SHADER_SM_BUILTINS_EXTENSION_NAME)) {
    const auto chain =
        physical_.getProperties2<vk::PhysicalDeviceProperties2, vk::PhysicalDeviceShaderSMBuiltinsPropertiesNV>();
    abilities_.processors = chain.get<vk::PhysicalDeviceShaderSMBuiltinsPropertiesNV>().shaderSMCount;
    extensions.push_back(VK_NV_SHADER_SM_BUILTINS_EXTENSION_NAME);
  } else if (has_extension(physical_, VK_AMD_SHADER_CORE_PROPERTIES_2_EXTENSION_NAME)) {
    const auto chain =
        physical_.getProperties2<vk::PhysicalDeviceProperties2, vk::PhysicalDeviceShaderCoreProperties2AMD>();
    // Those that are there; each holds a workgroup of the largest size. A null device has none.
    const std::uint32_t units = chain.get<vk::PhysicalDeviceShaderCoreProperties2AMD>().activeComputeUnitCount;
    if (units > 0) abilities_.processors = units;
  }
  const auto chain = physical_.getProperties2<vk::PhysicalDeviceProperties2, vk::PhysicalDeviceSubgroupProperties>();
  const auto& subgroup = chain.get<vk::PhysicalDeviceSubgroupProperties>();
  const bool shuffles = static_cast<bool>(subgroup.supportedOperations & vk::SubgroupFeatureFlagBits::eShuffle);
  const bool suitable = offered.shaderFloat16 && offered.vulkanMemoryModel && offered.vulkanMemoryModelDeviceScope &&
                        subgroup.subgroupSize == 32 && shuffles;
  if (abilities_.stages) abilities_.matrices = offered_matrices(*instance_, physical_, suitable);
  if (const char* name = MatrixFeatures(abilities_.matrices).extension_name()) extensions.push_back(name);
}

std::uint64_t Device::free_bytes(std::uint32_t heap) const {
  if (!memory_budget_) return physical_.getMemoryProperties().memoryHeaps[heap].size;
  const auto chain =
      physical_
          .getMemoryProperties2<vk::PhysicalDeviceMemoryProperties2, vk::PhysicalDeviceMemoryBudgetPropertiesEXT>();
  const auto& budget = chain.get<vk::PhysicalDeviceMemoryBudgetPropertiesEXT>();
  const std::uint64_t limit = budget.heapBudget[heap], used = budget.heapUsage[heap];
  return limit > used ? limit - used : 0;
}

void Device::name(vk::ObjectType type, std::uint64_t handle, const std::string& text) const {
  if (!labels()) return;
  const vk::DebugUtilsObjectNameInfoEXT info(type, handle, text.c_str());
  // A name is for people; one that cannot be given is no reason to stop.
  (void)handle_.getDispatcher()->vkSetDebugUtilsObjectNameEXT(
      *handle_, reinterpret_cast<const VkDebugUtilsObjectNameInfoEXT*>(&info));
}

void Device::submit(const vk::raii::CommandBuffer& commands, const vk::raii::Fence& fence) const {
  const vk::CommandBuffer buffer = *commands;
  submit(std::span(&buffer, 1), fence);
}

void Device::submit(std::span<const vk::CommandBuffer> commands, const vk::raii::Fence& fence) const {
  expect(!stuck_, ErrorKind::device, "{}: given up after a hang", info_.name);
  handle_.resetFences(*fence);
  vk::SubmitInfo info;
  info.commandBufferCount = static_cast<std::uint32_t>(commands.size());
  info.pCommandBuffers = commands.data();
  queue_.submit(info, *fence);
}

bool Device::is_done(const vk::raii::Fence& fence) const noexcept {
  return handle_.getDispatcher()->vkGetFenceStatus(*handle_, *fence) == VK_SUCCESS;
}

bool Device::wait_slice(const vk::raii::Fence& fence, Clock::time_point since) {
  const VkFence one = *fence;
  const VkResult result = handle_.getDispatcher()->vkWaitForFences(*handle_, 1, &one, VK_TRUE, slice_ns);
  if (result == VK_SUCCESS) return true;
  if (result == VK_ERROR_DEVICE_LOST) throw vk::DeviceLostError("vkWaitForFences");
  // A wait for which there is no memory says nothing of the work, which goes on and uses what a caller that is thrown
  // at would destroy: so it is tried again for a while.
  const bool starved = result != VK_TIMEOUT;
  if (starved) std::this_thread::sleep_for(std::chrono::nanoseconds(slice_ns));
  const std::chrono::seconds limit = starved ? starved_limit : info_.software ? software_limit : hardware_limit;
  if (Clock::now() - since < limit) return false;
  // The work may still be running, so neither the device nor anything that the work uses may be destroyed.
  stuck_ = true;
  keep_for_ever(shared_from_this());
  expect(!starved, ErrorKind::out_of_memory, "{}: no memory to wait for its work; given up", info_.name);
  fail(ErrorKind::device, "{}: no progress for {} s; given up", info_.name, limit.count());
}

DeviceClass Device::device_class() const {
  constexpr std::uint32_t nvidia = 0x10de;
  if (info_.software) return DeviceClass::software;
  const vk::PhysicalDeviceProperties properties = physical_.getProperties();
  if (properties.deviceType == vk::PhysicalDeviceType::eIntegratedGpu) return DeviceClass::integrated;
  const bool matrices = abilities_.matrices != MatrixExtension::none;
  return properties.vendorID == nvidia && matrices ? DeviceClass::nvidia_matrix : DeviceClass::other_discrete;
}

bool Device::lost() const noexcept {
  return stuck_ || handle_.getDispatcher()->vkGetFenceStatus(*handle_, *once_done_) == VK_ERROR_DEVICE_LOST;
}

void Device::wait(const vk::raii::Fence& fence) {
  const Clock::time_point since = Clock::now();
  while (!wait_slice(fence, since)) {
  }
}

void Device::run_once(const std::function<void(const vk::raii::CommandBuffer&)>& record) {
  once_.begin(vk::CommandBufferBeginInfo(vk::CommandBufferUsageFlagBits::eOneTimeSubmit));
  full_barrier(once_);
  record(once_);
  host_barrier(once_);
  once_.end();
  submit(once_, once_done_);
  wait(once_done_);
}

std::shared_ptr<Device> open_device(std::size_t index, bool statistics) {
  const std::shared_ptr<Instance> instance = make_instance(true);
  return translated("Vulkan device " + std::to_string(index), [&] {
    const vk::raii::PhysicalDevices devices(instance->handle);
    expect(index < devices.size(), ErrorKind::device, "Vulkan device {}: there are {}", index, devices.size());
    DeviceInfo info = describe_device(devices[index], index);
    expect(info.problem.empty() || (statistics && is_null_device(devices[index])), ErrorKind::device,
           "Vulkan device {} ({}): {}", index, info.name, info.problem);
    return std::make_shared<Device>(instance, devices[index], std::move(info), statistics);
  });
}

void full_barrier(const vk::raii::CommandBuffer& commands) {
  using Access = vk::AccessFlagBits;
  using Stage = vk::PipelineStageFlagBits;
  const vk::MemoryBarrier barrier(
      Access::eShaderWrite | Access::eTransferWrite,
      Access::eShaderRead | Access::eShaderWrite | Access::eTransferRead | Access::eTransferWrite);
  commands.pipelineBarrier(Stage::eComputeShader | Stage::eTransfer, Stage::eComputeShader | Stage::eTransfer, {},
                           barrier, {}, {});
}

void kernel_barrier(const vk::raii::CommandBuffer& commands) {
  using Access = vk::AccessFlagBits;
  const vk::MemoryBarrier barrier(Access::eShaderWrite, Access::eShaderRead | Access::eShaderWrite);
  commands.pipelineBarrier(vk::PipelineStageFlagBits::eComputeShader, vk::PipelineStageFlagBits::eComputeShader, {},
                           barrier, {}, {});
}

void host_barrier(const vk::raii::CommandBuffer& commands) {
  using Access = vk::AccessFlagBits;
  using Stage = vk::PipelineStageFlagBits;
  const vk::MemoryBarrier barrier(Access::eShaderWrite | Access::eTransferWrite, Access::eHostRead);
  commands.pipelineBarrier(Stage::eComputeShader | Stage::eTransfer, Stage::eHost, {}, barrier, {}, {});
}

}  // namespace dit::vulkan
