// SPDX-License-Identifier: MIT
#include "engine/vulkan/executor.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "engine/noise.h"
#include "engine/quantised.h"
#include "engine/vulkan/plan.h"
#include "engine/vulkan/upload.h"

namespace dit::vulkan {
namespace {

class VulkanExecutor : public Executor {
 public:
  VulkanExecutor(std::shared_ptr<const Weights> weights, std::shared_ptr<Device> device, const DeviceOptions& options) {
    shared_.device = std::move(device);
    shared_.source = weights;
    precision_ = chosen(options.precision);
    fusion_ = chosen(precision_, options.fusion);
    expand_ = options.expand_weights;
    expect(precision_ != Precision::f16_matrix || shared_.device->abilities().matrix, ErrorKind::unsupported,
           "{}: precision f16-matrix needs 16x16x16 matrices of f16 summed in f32 (VK_NV_cooperative_matrix)",
           info().name);
    expect(precision_ != Precision::f16_matrix || fusion_ != Fusion::single, ErrorKind::unsupported,
           "fusion single: serves precisions f32 and f16, not f16-matrix");
    shared_.device->note_choice(name_of(precision_), name_of(fusion_));
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
    return translated("plan on " + info().name,
                      [&] { return make_plan(shared_, std::move(program), precision_, fusion_); });
  }

 private:
  /// f16 matrices stay f16, and quantised ones stay integers that each product unpacks. Everything else becomes f32:
  /// vectors, so that a kernel needs variants for its matrix alone, and positions, which are added, not multiplied.
  DType device_dtype(const WeightView& view) const {
    if (view.shape.size() < 2) return DType::f32;
    if (is_quantised(view.dtype) && (expand_ || view.name == "pos_embed")) return DType::f32;
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

  void upload(const WeightView& view, std::uint64_t offset, Uploader& uploader) const {
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

  Precision precision_ = Precision::f32;
  Fusion fusion_ = Fusion::op;
  bool expand_ = false;
  Shared shared_;
};

}  // namespace

std::unique_ptr<Executor> open(std::shared_ptr<const Weights> weights, std::size_t index,
                               const DeviceOptions& options) {
  expect(options.precision != Precision::int8, ErrorKind::unsupported,
         "precision 'int8': Vulkan serves auto, f32, f16 and f16-matrix");
  const std::shared_ptr<Instance> instance = make_instance(true);
  return translated("Vulkan device " + std::to_string(index), [&]() -> std::unique_ptr<Executor> {
    const vk::raii::PhysicalDevices devices(instance->handle);
    expect(index < devices.size(), ErrorKind::device, "Vulkan device {}: there are {}", index, devices.size());
    DeviceInfo info = describe_device(devices[index], index);
    expect(info.problem.empty(), ErrorKind::device, "Vulkan device {} ({}): {}", index, info.name, info.problem);
    return std::make_unique<VulkanExecutor>(
        std::move(weights), std::make_shared<Device>(instance, devices[index], std::move(info)), options);
  });
}

}  // namespace dit::vulkan
