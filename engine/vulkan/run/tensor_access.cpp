// SPDX-License-Identifier: MIT
#include "engine/vulkan/run/tensor_access.h"

#include <algorithm>
#include <cstring>

namespace dit::vulkan {

TensorAccess::TensorAccess(Device& device, const Program& program, const Schedule& schedule, const Ring& ring)
    : device_(device), program_(program), schedule_(schedule), ring_(ring) {}

TensorLayout TensorAccess::layout(TensorId id) const { return schedule_.compiled.layouts.tensors[id]; }

void TensorAccess::check_activation(TensorId id, const char* what) const {
  expect(id < program_.tensors.size() && program_.tensors[id].kind != TensorKind::weight, ErrorKind::settings,
         "{}: tensor {} is not an activation", what, id);
}

std::vector<float> TensorAccess::read(TensorId id) const {
  check_activation(id, "read");
  const TensorInfo& tensor = program_.tensors[id];
  const Place& place = memory().tensor(id);
  std::vector<float> values(element_count(tensor.shape));
  if (on_host(id)) {
    std::memcpy(values.data(), place.buffer->mapped() + place.offset, values.size() * sizeof(float));
    return values;
  }
  const Buffer copy(device_, Memory::read_back, place.size_bytes, "copy of a tensor");
  device_.run_once([&](const vk::raii::CommandBuffer& commands) {
    commands.copyBuffer(place.buffer->handle(), copy.handle(), vk::BufferCopy(place.offset, 0, place.size_bytes));
  });
  copy.invalidate();
  if (tensor.kind == TensorKind::rgba) {
    std::copy_n(reinterpret_cast<const std::uint8_t*>(copy.mapped()), values.size(), values.begin());
  } else {
    layout(id).decode(std::span(copy.mapped(), place.size_bytes), values);
  }
  return values;
}

void TensorAccess::write(TensorId id, std::span<const float> values) const {
  check_activation(id, "write");
  const TensorInfo& tensor = program_.tensors[id];
  expect(tensor.kind == TensorKind::activation, ErrorKind::settings, "write: tensor '{}' holds bytes", tensor.name);
  expect(values.size() == element_count(tensor.shape), ErrorKind::settings,
         "write: tensor '{}': expected {} values, found {}", tensor.name, element_count(tensor.shape), values.size());
  const Place& place = memory().tensor(id);
  if (on_host(id)) {
    std::memcpy(place.buffer->mapped() + place.offset, values.data(), values.size_bytes());
    place.buffer->flush();
    return;
  }
  const Buffer copy(device_, Memory::upload, place.size_bytes, "copy of a tensor");
  layout(id).encode(values, std::span(copy.mapped(), place.size_bytes));
  copy.flush();
  device_.run_once([&](const vk::raii::CommandBuffer& commands) {
    commands.copyBuffer(copy.handle(), place.buffer->handle(), vk::BufferCopy(0, place.offset, place.size_bytes));
  });
}

void TensorAccess::capture(const LaunchedOp& op, std::uint32_t step, std::span<const IconPoint> icons,
                           const Checkpoint& checkpoint) const {
  const bool persistent = op.launches.empty();
  ring_.put_icons(0, icons);
  if (persistent) {
    ring_.clear_status();
    ring_.put_range(0, {step, step + 1, op.first_stage, op.last_stage, 0});
  }
  device_.run_once([&](const vk::raii::CommandBuffer& commands) {
    if (persistent) {
      record_persistent(commands, schedule_, 0);
    } else {
      record_words(commands, schedule_, 0);
    }
    for (const Launch& one : op.launches) {
      full_barrier(commands);
      record_launch(commands, one, step);
    }
  });
  if (persistent) ring_.check_status(device_.info().name);
  const TensorId output = output_of(op.op->what);
  checkpoint(*op.op, program_.tensors[output].shape, read(output));
}

}  // namespace dit::vulkan
