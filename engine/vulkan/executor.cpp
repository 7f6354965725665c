// SPDX-License-Identifier: MIT
#include "engine/vulkan/executor.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "engine/noise.h"
#include "engine/quantised.h"
#include "engine/vulkan/plan.h"

namespace dit::vulkan {
namespace {

constexpr std::uint64_t staging_bytes = 16u << 20;

/// Copies host bytes into a device-local buffer through one staging buffer.
class Uploader {
 public:
  Uploader(Device& device, const Buffer& target, std::uint64_t total_bytes)
      : device_(device),
        target_(target),
        staging_(device, Memory::upload, std::clamp<std::uint64_t>(total_bytes, 4, staging_bytes), "weight staging") {}

  /// `offset` is a multiple of 4.
  void add(std::uint64_t offset, std::span<const std::byte> bytes) {
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

  void finish() {
    if (copies_.empty()) return;
    staging_.flush();
    device_.run_once([&](const vk::raii::CommandBuffer& commands) {
      commands.copyBuffer(staging_.handle(), target_.handle(), copies_);
    });
    copies_.clear();
    used_ = 0;
  }

 private:
  Device& device_;
  const Buffer& target_;
  Buffer staging_;
  std::uint64_t used_ = 0;
  std::vector<vk::BufferCopy> copies_;
};

class VulkanExecutor : public Executor {
 public:
  VulkanExecutor(std::shared_ptr<const Weights> weights, std::shared_ptr<Device> device) {
    shared_.device = std::move(device);
    shared_.pipelines = std::make_unique<Pipelines>(*shared_.device);
    upload(*weights);
  }

  ~VulkanExecutor() override {
    // Pipelines of work that hangs must outlive it; the device is kept for ever then.
    if (shared_.device->stuck()) (void)shared_.pipelines.release();
  }

  const DeviceInfo& info() const noexcept override { return shared_.device->info(); }
  bool lost() const noexcept override { return shared_.device->lost(); }

  std::unique_ptr<Plan> plan(Program program) override {
    return translated("plan on " + info().name, [&] { return make_plan(shared_, std::move(program)); });
  }

 private:
  /// f16 matrices stay f16, and quantised ones stay integers that each product unpacks. Everything else becomes f32:
  /// vectors, so that a kernel needs variants for its matrix alone, and positions, which are added, not multiplied.
  static DType device_dtype(const WeightView& view) {
    if (view.shape.size() < 2 || (is_quantised(view.dtype) && view.name == "pos_embed")) return DType::f32;
    switch (view.dtype) {
      case DType::f16:
        return DType::f16;
      case DType::q8_0:
      case DType::int8_g32:
        return DType::int8_g32;
      case DType::q4_0:
      case DType::int4_g32:
        return DType::int4_g32;
      default:
        return DType::f32;
    }
  }

  static void upload(const WeightView& view, std::uint64_t offset, Uploader& uploader) {
    const DType dtype = device_dtype(view);
    if (is_quantised(dtype)) {
      const Quantised packed = repack(view, dtype);
      uploader.add(offset, packed.bytes);
      uploader.add(offset + packed.bytes.size(), packed.scales);
    } else if (view.dtype == dtype) {
      uploader.add(offset, view.bytes);
    } else {
      const std::vector<float> values = read_f32(view);
      uploader.add(offset, std::as_bytes(std::span(values)));
    }
  }

  void upload(const Weights& weights) {
    PlacedWeights& placed = shared_.weights;
    Layout layout(device());
    placed.normal_table = layout.add(placed.buffer, normal_table().size_bytes());
    for (const auto& [name, view] : weights.tensors) {
      const std::uint64_t size = storage_bytes(device_dtype(view), element_count(view.shape));
      placed.tensors[name] = {layout.add(placed.buffer, size), device_dtype(view), view.shape};
      expect(size <= device().limits().maxStorageBufferRange, ErrorKind::unsupported,
             "weights '{}': model needs {} in one buffer, {} offers {}", name, size_text(size), info().name,
             size_text(device().limits().maxStorageBufferRange));
    }
    placed.buffer = Buffer(device(), Memory::device, layout.total_bytes(), "weights");
    Uploader uploader(device(), placed.buffer, layout.total_bytes());
    uploader.add(placed.normal_table.offset, std::as_bytes(normal_table()));
    for (const auto& [name, view] : weights.tensors) upload(view, placed.tensors[name].place.offset, uploader);
    uploader.finish();
  }

  Device& device() const { return *shared_.device; }

  Shared shared_;
};

}  // namespace

std::unique_ptr<Executor> open(std::shared_ptr<const Weights> weights, std::size_t index,
                               const DeviceOptions& options) {
  expect(options.precision == Precision::automatic || options.precision == Precision::f32, ErrorKind::unsupported,
         "precision '{}': expected auto or f32", name_of(options.precision));
  expect(options.fusion == Fusion::automatic || options.fusion == Fusion::op, ErrorKind::unsupported,
         "fusion '{}': expected auto or op", name_of(options.fusion));
  const std::shared_ptr<Instance> instance = make_instance(true);
  return translated("Vulkan device " + std::to_string(index), [&]() -> std::unique_ptr<Executor> {
    const vk::raii::PhysicalDevices devices(instance->handle);
    expect(index < devices.size(), ErrorKind::device, "Vulkan device {}: there are {}", index, devices.size());
    DeviceInfo info = describe_device(devices[index], index);
    info.precision = "f32";
    info.fusion = "op";
    expect(info.problem.empty(), ErrorKind::device, "Vulkan device {} ({}): {}", index, info.name, info.problem);
    return std::make_unique<VulkanExecutor>(std::move(weights),
                                            std::make_shared<Device>(instance, devices[index], std::move(info)));
  });
}

}  // namespace dit::vulkan
