// SPDX-License-Identifier: MIT
#include "engine/vulkan/run/weights.h"

#include "engine/model/quantised.h"
#include "engine/network/noise.h"
#include "engine/vulkan/device/upload.h"

namespace dit::vulkan {
namespace {

void upload(const WeightView& view, DType dtype, std::uint64_t offset, Uploader& uploader) {
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

}  // namespace

DType placed_dtype(const WeightView& view, bool expand) {
  if (view.shape.size() < 2) return DType::f32;
  if (is_quantised(view.dtype) && (expand || view.name == "pos_embed")) return DType::f32;
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

void place_weights(Device& device, const Weights& weights, bool expand, PlacedWeights& placed) {
  Layout layout(device);
  placed.normal_table = layout.add(placed.buffer, normal_table().size_bytes());
  for (const auto& [name, view] : weights.tensors) {
    const DType dtype = placed_dtype(view, expand);
    const std::uint64_t size = storage_bytes(dtype, element_count(view.shape));
    placed.tensors[name] = {layout.add(placed.buffer, size), dtype, view.shape};
    expect(size <= device.limits().maxStorageBufferRange, ErrorKind::unsupported,
           "weights '{}': model needs {} in one buffer, {} offers {}", name, size_text(size), device.info().name,
           size_text(device.limits().maxStorageBufferRange));
  }
  placed.buffer = Buffer(device, Memory::device, layout.total_bytes(), "weights");
  Uploader uploader(device, placed.buffer, layout.total_bytes());
  uploader.add(placed.normal_table.offset, std::as_bytes(normal_table()));
  for (const auto& [name, view] : weights.tensors) {
    const PlacedWeight& weight = placed.tensors[name];
    upload(view, weight.dtype, weight.place.offset, uploader);
    view.bytes.release();
    view.scales.release();
  }
  uploader.finish();
}

}  // namespace dit::vulkan
