// SPDX-License-Identifier: MIT
#include <algorithm>

#include "engine/vulkan/run/plan.h"

namespace dit::vulkan {

TensorLayout VulkanPlan::layout(TensorId id) const { return schedule().compiled.layouts.tensors[id]; }

void VulkanPlan::check_activation(TensorId id, const char* what) const {
  expect(id < program_.tensors.size() && program_.tensors[id].kind != TensorKind::weight, ErrorKind::settings,
         "{}: tensor {} is not an activation", what, id);
}

std::vector<float> VulkanPlan::read(TensorId id) {
  check_activation(id, "read");
  const TensorInfo& tensor = program_.tensors[id];
  const Place& place = memory().tensor(id);
  std::vector<float> values(element_count(tensor.shape));
  guarded([&] {
    drop();
    if (on_host(id)) {
      std::memcpy(values.data(), place.buffer->mapped() + place.offset, values.size() * sizeof(float));
      return;
    }
    const Buffer staging(device(), Memory::read_back, place.size_bytes, "read staging");
    device().run_once([&](const vk::raii::CommandBuffer& commands) {
      commands.copyBuffer(place.buffer->handle(), staging.handle(), vk::BufferCopy(place.offset, 0, place.size_bytes));
    });
    staging.invalidate();
    if (tensor.kind == TensorKind::rgba) {
      std::copy_n(reinterpret_cast<const std::uint8_t*>(staging.mapped()), values.size(), values.begin());
      return;
    }
    layout(id).decode(std::span(staging.mapped(), place.size_bytes), values);
  });
  return values;
}

void VulkanPlan::write(TensorId id, std::span<const float> values) {
  check_activation(id, "write");
  const TensorInfo& tensor = program_.tensors[id];
  expect(tensor.kind == TensorKind::activation, ErrorKind::settings, "write: tensor '{}' holds bytes", tensor.name);
  expect(values.size() == element_count(tensor.shape), ErrorKind::settings,
         "write: tensor '{}': expected {} values, found {}", tensor.name, element_count(tensor.shape), values.size());
  const Place& place = memory().tensor(id);
  guarded([&] {
    drop();
    if (on_host(id)) {
      std::memcpy(place.buffer->mapped() + place.offset, values.data(), values.size_bytes());
      place.buffer->flush();
      return;
    }
    const Buffer staging(device(), Memory::upload, place.size_bytes, "write staging");
    layout(id).encode(values, std::span(staging.mapped(), place.size_bytes));
    staging.flush();
    device().run_once([&](const vk::raii::CommandBuffer& commands) {
      commands.copyBuffer(staging.handle(), place.buffer->handle(), vk::BufferCopy(0, place.offset, place.size_bytes));
    });
  });
}

void VulkanPlan::capture(bool prepare, std::uint32_t step, const Checkpoint& checkpoint) {
  expect(step < program_.shape.steps, ErrorKind::settings, "step {} of a plan of {} steps", step, program_.shape.steps);
  for (const LoweredOp& op : prepare ? schedule().prepare : schedule().step) capture_op(op, step, checkpoint);
  if (!prepare && schedule().bytes) capture_op(*schedule().bytes, step, checkpoint);
}

void VulkanPlan::capture_op(const LoweredOp& op, std::uint32_t step, const Checkpoint& checkpoint) {
  guarded([&] {
    drop();
    put_icons(0, icons_);
    if (op.launches.empty()) {
      clear_status();
      put_range(0, {step, step + 1, op.first_stage, op.last_stage, 0});
    }
    device().run_once([&](const vk::raii::CommandBuffer& commands) {
      if (op.launches.empty()) {
        record_icon(commands, schedule(), 0);
      } else {
        record_words(commands, schedule(), 0);
      }
      for (const Launch& one : op.launches) {
        full_barrier(commands);
        record_launch(commands, one, step);
      }
    });
    if (op.launches.empty()) check_status();
  });
  const TensorId output = output_of(op.op->what);
  checkpoint(*op.op, program_.tensors[output].shape, read(output));
}

}  // namespace dit::vulkan
