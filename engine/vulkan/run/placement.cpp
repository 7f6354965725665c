// SPDX-License-Identifier: MIT
#include "engine/vulkan/run/placement.h"

#include <algorithm>

#include "engine/network/solver.h"

namespace dit::vulkan {

Layout::Layout(const Device& device)
    : alignment_(std::max<std::uint64_t>(16, device.limits().minStorageBufferOffsetAlignment)) {}

Place Layout::add(const Buffer& buffer, std::uint64_t size_bytes) {
  const Place place = {&buffer, total_, std::max<std::uint64_t>(4, (size_bytes + 3) / 4 * 4)};
  total_ += (place.size_bytes + alignment_ - 1) / alignment_ * alignment_;
  return place;
}

std::uint64_t Layout::total_bytes() const { return std::max<std::uint64_t>(total_, 4); }

Placement::Placement(Device& device, const PlacedWeights& weights, const Program& program, const Layouts& layouts,
                     bool fused)
    : weights_(weights), tensors_(program.tensors.size()), types_(program.tensors.size(), DType::f32) {
  Layout arena(device), pictures(device), words(device), request(device), read_back(device);
  for (TensorId id = 0; id < program.tensors.size(); ++id) {
    const TensorInfo& tensor = program.tensors[id];
    const std::uint64_t count = element_count(tensor.shape);
    if (tensor.kind == TensorKind::weight) {
      tensors_[id] = place_weight(id, tensor);
    } else if (tensor.kind == TensorKind::rgba) {
      tensors_[id] = pictures.add(picture_buffer_, count);
    } else if (id == program.condition || id == program.context) {
      tensors_[id] = request.add(request_, count * sizeof(float));
    } else {
      tensors_[id] = arena.add(arena_, layouts.tensors[id].size_bytes());
    }
    expect(tensors_[id].size_bytes <= device.limits().maxStorageBufferRange, ErrorKind::unsupported,
           "tensor '{}': model needs {} in one buffer, {} offers {}", tensor.name, size_text(tensors_[id].size_bytes),
           device.info().name, size_text(device.limits().maxStorageBufferRange));
  }
  const PlanShape& s = program.shape;
  pictures_ = program.rgba == no_tensor ? pictures.add(picture_buffer_, 4) : tensors_.at(program.rgba);
  icons_ = words.add(words_, s.batch * std::uint64_t{48});
  range_ = words.add(words_, RANGE_WORDS * 4);
  for (RingEntry& entry : ring_) {
    entry.icons = request.add(request_, icons_.size_bytes);
    entry.range = request.add(request_, range_.size_bytes);
    entry.pictures = read_back.add(read_back_, pictures_.size_bytes);
  }
  status_ = read_back.add(read_back_, 4);
  if (fused) {
    control_ = arena.add(arena_, CONTROL_WORDS * 4);
    lhs_scratch_ = arena.add(arena_, layouts.scratch.lhs);
    row_scratch_ = arena.add(arena_, layouts.scratch.rows);
    stages_ = Buffer(device, Memory::upload, STAGES_LIMIT * sizeof(params::Stage), "stages");
    stages_place_ = {&stages_, 0, stages_.size_bytes()};
  }
  if (s.sketches) place_sketches(program, arena, request);
  row_stats_ = arena.add(arena_, layouts.scratch.row_stats);
  windows_ = arena.add(arena_, layouts.scratch.windows);
  prepared_ = arena.add(arena_, layouts.scratch.prepared);
  expect(windows_.size_bytes <= device.limits().maxStorageBufferRange, ErrorKind::unsupported,
         "overlapping windows: model needs {} in one buffer, {} offers {}", size_text(windows_.size_bytes),
         device.info().name, size_text(device.limits().maxStorageBufferRange));
  modulation_row_ = request.add(request_, std::uint64_t{s.steps} * s.rows() * 4);
  solver_ = request.add(request_, s.steps * sizeof(SolverRow));
  solver_row_ = request.add(request_, std::uint64_t{s.steps} * s.batch * 4);
  arena_ = Buffer(device, Memory::device, arena.total_bytes(), "activations");
  arena_place_ = {&arena_, 0, arena_.size_bytes()};
  if (fused) {
    expect(arena_.size_bytes() <= device.limits().maxStorageBufferRange, ErrorKind::unsupported,
           "activations: model needs {} in one buffer, {} offers {}", size_text(arena_.size_bytes()),
           device.info().name, size_text(device.limits().maxStorageBufferRange));
  }
  picture_buffer_ = Buffer(device, Memory::device, pictures.total_bytes(), "pictures");
  words_ = Buffer(device, Memory::device, words.total_bytes(), "words of a run");
  request_ = Buffer(device, Memory::upload, request.total_bytes(), "request");
  read_back_ = Buffer(device, Memory::read_back, read_back.total_bytes(), "read-back");
}

Place Placement::place_weight(TensorId id, const TensorInfo& tensor) {
  const auto found = weights_.tensors.find(tensor.name);
  expect(found != weights_.tensors.end(), ErrorKind::wrong_format, "weights '{}': expected {}, found nothing",
         tensor.name, to_string(tensor.shape));
  const PlacedWeight& weight = found->second;
  expect(weight.shape == tensor.shape, ErrorKind::wrong_format, "weights '{}': expected {}, found {}", tensor.name,
         to_string(tensor.shape), to_string(weight.shape));
  types_[id] = weight.dtype;
  return weight.place;
}

/// On the device they lie in the arena, since the fused kernels have no binding to spare.
void Placement::place_sketches(const Program& program, Layout& arena, Layout& request) {
  sketch_pixels_ = pixels_of(program);
  const std::uint64_t bytes = program.shape.batch * std::uint64_t{sketch_pixels_} * 5;
  sketches_ = arena.add(arena_, bytes);
  for (RingEntry& entry : ring_) entry.sketches = request.add(request_, bytes);
}

Place Placement::of(const Operand& operand) const {
  switch (operand.region) {
    case Region::tensor:
      return tensors_.at(operand.tensor);
    case Region::row_stats:
      return row_stats_;
    case Region::windows:
      return windows_;
    case Region::normal_table:
      return weights_.normal_table;
    case Region::icons:
      return icons_;
    case Region::modulation_row:
      return modulation_row_;
    case Region::solver:
      return solver_;
    case Region::solver_row:
      return solver_row_;
    case Region::arena:
      return arena_place_;
    case Region::packed_weights:
      return packed_weights_;
    case Region::stages:
      return stages_place_;
    case Region::pictures:
      return pictures_;
    case Region::control:
      return control_;
    case Region::range:
      return range_;
    case Region::status:
      return status_;
    case Region::sketches:
      return sketches_;
    case Region::prepared:
      return prepared_;
  }
  return {};
}

}  // namespace dit::vulkan
