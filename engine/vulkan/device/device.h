// SPDX-License-Identifier: MIT
// An opened device: one compute queue, memory, and waiting that always ends.
#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <utility>

#include "engine/vulkan/choose/device_table.h"
#include "engine/vulkan/device/instance.h"
#include "engine/vulkan/device/matrices.h"

namespace dit::vulkan {

class Device;

enum class Memory {
  device,     ///< device-local, not mapped
  upload,     ///< written by the host, read by kernels; device-local where the host can reach that
  read_back,  ///< written by kernels, read by the host; cached where possible
};

/// Never destroys it: for what work that hangs uses, or may use. Any thread.
void keep_for_ever(std::shared_ptr<const void> what);

/// A storage buffer with its own memory. Movable; the Device must outlive it.
class Buffer {
 public:
  Buffer() = default;
  Buffer(Device& device, Memory memory, std::uint64_t size_bytes, const std::string& name);
  ~Buffer();
  Buffer(Buffer&&) noexcept = default;
  Buffer& operator=(Buffer&&) noexcept = default;

  vk::Buffer handle() const { return *buffer_; }
  std::uint64_t size_bytes() const { return size_bytes_; }
  /// The mapped bytes; null for Memory::device.
  std::byte* mapped() const { return mapped_; }
  /// Makes what the host wrote visible to the device. Call before submitting.
  void flush() const;
  /// Makes what the device wrote visible to the host. Call after waiting.
  void invalidate() const;

 private:
  bool allocate(std::uint32_t type, const std::string& name);

  Device* device_ = nullptr;
  vk::raii::DeviceMemory memory_{nullptr};
  vk::raii::Buffer buffer_{nullptr};
  std::uint64_t size_bytes_ = 0;
  std::byte* mapped_ = nullptr;
  bool coherent_ = true;
};

/// What a device offers beyond the needs of the plain kernels.
struct Abilities {
  bool statistics = false;  ///< of compiled kernels, and they were asked for
  bool stages = false;      ///< the memory model and the bindings of fused/dispatch.comp
  bool host_resets_queries = false;
  MatrixExtension matrices{};    ///< that multiplies blocks of f16 in a subgroup of 32
  std::uint32_t processors = 1;  ///< workgroups of the largest size that are certainly resident together
};

class Device : public std::enable_shared_from_this<Device> {
 public:
  /// statistics  ask the driver for what it can tell of compiled kernels, where it can
  /// errors      device, out_of_memory
  Device(std::shared_ptr<Instance> instance, const vk::raii::PhysicalDevice& physical, DeviceInfo info,
         bool statistics = false);

  const DeviceInfo& info() const { return info_; }
  const vk::PhysicalDeviceLimits& limits() const { return limits_; }
  const vk::raii::Device& handle() const { return handle_; }
  const vk::raii::PhysicalDevice& physical() const { return physical_; }
  std::uint32_t family() const { return family_; }
  std::uint64_t allocation_limit() const { return allocation_limit_; }
  bool labels() const { return instance_->debug_utils; }

  /// Bytes that may still be allocated from a heap, as far as the driver tells.
  std::uint64_t free_bytes(std::uint32_t heap) const;

  /// Names an object for debuggers and validation messages.
  template <typename Handle>
  void name(const Handle& handle, const std::string& text) const {
    using Native = typename Handle::CType;
    name(Handle::objectType, reinterpret_cast<std::uint64_t>(static_cast<Native>(*handle)), text);
  }

  /// What DeviceInfo says that an opened device does.
  void note_choice(const char* precision, const char* fusion, std::string warning, std::string note) {
    info_.precision = precision;
    info_.fusion = fusion;
    info_.warning = std::move(warning);
    info_.note = std::move(note);
  }
  /// What measurements are valid for: the device's UUID and its driver's version.
  const std::string& identity() const { return identity_; }
  const Abilities& abilities() const { return abilities_; }
  /// Whose row of choose/device_table.h speaks for it.
  DeviceClass device_class() const;
  /// That row, with what `dit tune` measured in it.
  const DeviceTable& table() const { return table_; }

  void submit(const vk::raii::CommandBuffer& commands, const vk::raii::Fence& fence) const;
  /// One after the other, in one submission.
  void submit(std::span<const vk::CommandBuffer> commands, const vk::raii::Fence& fence) const;
  /// Whether a fence is signalled by now; also false if that cannot be told.
  bool is_done(const vk::raii::Fence& fence) const noexcept;
  /// Waits for a fence in slices. The work's time is limited: Error{device}, and the device is stuck() from then on.
  void wait(const vk::raii::Fence& fence);
  /// One slice of wait(): true when the fence is signalled. Throws as wait() does once `since` is too long ago.
  bool wait_slice(const vk::raii::Fence& fence, std::chrono::steady_clock::time_point since);
  /// Records, submits and waits. Slow; for uploads, reads and captures.
  void run_once(const std::function<void(const vk::raii::CommandBuffer&)>& record);

  /// Work was given up on and may still be running: nothing that it uses may be destroyed.
  bool stuck() const { return stuck_; }
  /// Whether nothing will ever run here again. Any thread.
  bool lost() const noexcept;

 private:
  void name(vk::ObjectType type, std::uint64_t handle, const std::string& text) const;
  void choose_features(std::vector<const char*>& extensions);

  std::shared_ptr<Instance> instance_;
  vk::raii::PhysicalDevice physical_;
  DeviceInfo info_;
  std::string identity_;
  vk::PhysicalDeviceLimits limits_;
  Abilities abilities_;
  DeviceTable table_;
  std::uint64_t allocation_limit_ = 0;
  std::uint32_t family_ = 0;
  bool memory_budget_ = false;
  bool stuck_ = false;
  vk::raii::Device handle_{nullptr};
  vk::raii::Queue queue_{nullptr};
  vk::raii::CommandPool pool_{nullptr};
  vk::raii::CommandBuffer once_{nullptr};
  vk::raii::Fence once_done_{nullptr};
};

/// Device `index` of describe(). `statistics`: see Device; they can be had of a null device too.
/// errors  device, out_of_memory
std::shared_ptr<Device> open_device(std::size_t index, bool statistics = false);

/// Orders everything before it in the queue, and makes its writes visible to kernels and copies after it.
void full_barrier(const vk::raii::CommandBuffer& commands);
/// The same among kernels alone.
void kernel_barrier(const vk::raii::CommandBuffer& commands);
/// Makes writes of kernels and copies visible to the host once the fence is signalled.
void host_barrier(const vk::raii::CommandBuffer& commands);

}  // namespace dit::vulkan
