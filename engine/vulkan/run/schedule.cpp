// SPDX-License-Identifier: MIT
#include "engine/vulkan/run/schedule.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "engine/vulkan/device/upload.h"

namespace dit::vulkan {

Target target_of(const Device& device, Precision precision, Fusion fusion, const Forced& forced) {
  constexpr std::uint32_t most_invocations = 256, most_shared_bytes = 49152;
  constexpr std::uint32_t own_shared_bytes = 64;  // what the kernels declare besides the tile and the sums
  expect_served(precision, fusion);
  Target target = {.precision = precision, .fusion = fusion};
  target.forced = forced.tile;
  target.invocations = forced.invocations ? forced.invocations : most_invocations;
  while (target.invocations > device.limits().maxComputeWorkGroupInvocations ||
         target.invocations > device.limits().maxComputeWorkGroupSize[0]) {
    target.invocations /= 2;
  }
  target.shared_bytes = std::min(device.limits().maxComputeSharedMemorySize, most_shared_bytes) - own_shared_bytes;
  target.processors = device.abilities().processors;
  target.table = forced.table ? *forced.table : device.table();
  if (target.matrix()) target.matrix_suffix = suffix(device.abilities().matrices);
  return target;
}

namespace {

class Scheduling {
 public:
  Scheduling(Shared& shared, const Program& program, const Target& target, const std::atomic<bool>& cancel)
      : shared_(shared), program_(program), target_(target), cancel_(cancel), schedule_(std::make_unique<Schedule>()) {}

  std::unique_ptr<Schedule> make() {
    expect(target_.plain() || device().abilities().stages, ErrorKind::unsupported,
           "{}: the fused kernels need 11 storage buffers a kernel and 60 KiB of uniform buffer", device().info().name);
    schedule_->compiled = compile(program_, target_);
    schedule_->memory =
        std::make_unique<Placement>(device(), shared_.weights, program_, schedule_->compiled.layouts, !target_.plain());
    emitted_ = emit(program_, schedule_->compiled.layouts, schedule_->compiled.tiled, target_, places());
    prepare_ = emit_prepare(program_, schedule_->compiled.layouts, target_, places());
    shared_.pipelines->build(calls_of(emitted_, prepare_), cancel_);
    if (!target_.plain()) {
      pack();
      write_stages();
    }
    launch_step();
    launch_prepare();
    write_descriptors();
    return std::move(schedule_);
  }

 private:
  Device& device() const { return *shared_.device; }

  Places places() const;
  Launch launch(KernelCall call, const std::string& label) const;
  void pack();
  void write_stages() const;
  void launch_step();
  void launch_prepare();
  void write_descriptors() const;
  void write_set(Launch& launch) const;
  template <typename Use>
  void each_launch(Use&& use) const;

  Shared& shared_;
  const Program& program_;
  const Target& target_;
  const std::atomic<bool>& cancel_;
  std::unique_ptr<Schedule> schedule_;
  EmittedProgram emitted_;
  std::vector<std::vector<KernelCall>> prepare_;
};

Launch Scheduling::launch(KernelCall call, const std::string& label) const {
  for (std::size_t i = 0; i < 3; ++i) {
    expect(call.groups[i] <= device().limits().maxComputeWorkGroupCount[i], ErrorKind::unsupported,
           "op '{}': model needs {} workgroups, {} offers {}", label, call.groups[i], device().info().name,
           device().limits().maxComputeWorkGroupCount[i]);
  }
  const Pipeline& pipeline = shared_.pipelines->get(call);
  return {std::move(call), &pipeline, {}, nullptr};
}

Places Scheduling::places() const {
  const Placement& memory = *schedule_->memory;
  const auto quad = [](const Place& place) { return static_cast<std::uint32_t>(place.offset / 16); };
  return {.tensor = [&memory, quad](TensorId id) { return quad(memory.tensor(id)); },
          .lhs_scratch = quad(memory.lhs_scratch()),
          .row_scratch = quad(memory.row_scratch()),
          .prepared = quad(memory.of({Region::prepared})),
          .sketches = quad(memory.of({Region::sketches})),
          .weight_types = memory.types()};
}

void Scheduling::pack() {
  const PackingList& list = emitted_.packing;
  for (const auto& packed : shared_.packed) {
    if (packed->list == list) schedule_->packed = packed;
  }
  if (!schedule_->packed) {
    auto packed = std::make_shared<PackedWeights>();
    packed->list = list;
    const std::vector<std::byte> bytes = list.pack(*shared_.source);
    packed->buffer = Buffer(device(), Memory::device, std::max<std::uint64_t>(bytes.size(), 16), "packed weights");
    upload(device(), packed->buffer, bytes);
    shared_.packed.push_back(packed);
    schedule_->packed = std::move(packed);
  }
  const Buffer& buffer = schedule_->packed->buffer;
  expect(buffer.size_bytes() <= device().limits().maxStorageBufferRange, ErrorKind::unsupported,
         "packed weights: model needs {} in one buffer, {} offers {}", size_text(buffer.size_bytes()),
         device().info().name, size_text(device().limits().maxStorageBufferRange));
  schedule_->memory->set_packed_weights({&buffer, 0, buffer.size_bytes()});
}

void Scheduling::write_stages() const {
  const Place place = schedule_->memory->of({Region::stages});
  std::memset(place.buffer->mapped(), 0, place.size_bytes);
  std::memcpy(place.buffer->mapped(), emitted_.stages.data(), emitted_.stages.size() * sizeof(params::Stage));
  place.buffer->flush();
}

void Scheduling::launch_step() {
  const TiledProgram& tiled = schedule_->compiled.tiled;
  schedule_->stages = static_cast<std::uint32_t>(tiled.groups.size());
  if (emitted_.persistent) schedule_->persistent = launch(std::move(*emitted_.persistent), "persistent");
  for (const GroupedOp& op : tiled.ops) {
    LaunchedOp launched{&program_.step[op.op], {}, op.first, op.last};
    for (std::uint32_t i = op.first; i < op.last; ++i) {
      for (KernelCall& call : emitted_.calls[i]) {
        launched.launches.push_back(launch(std::move(call), launched.op->label));
        launched.launches.back().group = &tiled.groups[i];
      }
    }
    // The bytes of a picture are asked for once a run, not once a step.
    if (std::holds_alternative<op::ToRgba>(launched.op->what)) {
      schedule_->bytes = std::move(launched);
    } else {
      schedule_->step.push_back(std::move(launched));
    }
  }
}

/// What depends on neither x nor t runs once a condition, by the plain kernels.
void Scheduling::launch_prepare() {
  for (std::size_t i = 0; i < prepare_.size(); ++i) {
    const Op& op = program_.prepare[i];
    LaunchedOp launched{&op, {}};
    for (KernelCall& call : prepare_[i]) launched.launches.push_back(launch(std::move(call), op.label));
    schedule_->prepare.push_back(std::move(launched));
  }
}

template <typename Use>
void Scheduling::each_launch(Use&& use) const {
  for (std::vector<LaunchedOp>* ops : {&schedule_->prepare, &schedule_->step}) {
    for (LaunchedOp& op : *ops) {
      for (Launch& one : op.launches) use(one);
    }
  }
  if (schedule_->bytes) {
    for (Launch& one : schedule_->bytes->launches) use(one);
  }
  if (schedule_->persistent) use(*schedule_->persistent);
}

void Scheduling::write_descriptors() const {
  std::uint32_t sets = 0, storage = 0, uniform = 0;
  each_launch([&](const Launch& one) {
    ++sets;
    for (const Operand& operand : one.call.operands) ++(is_uniform(operand.region) ? uniform : storage);
  });
  if (sets == 0) return;
  std::vector<vk::DescriptorPoolSize> sizes = {{vk::DescriptorType::eStorageBuffer, storage}};
  if (uniform > 0) sizes.emplace_back(vk::DescriptorType::eUniformBuffer, uniform);
  schedule_->descriptors = vk::raii::DescriptorPool(device().handle(), vk::DescriptorPoolCreateInfo({}, sets, sizes));
  // One set for all that bind the same, so that it stays bound from one dispatch to the next.
  std::vector<const Launch*> written;
  each_launch([&](Launch& one) {
    const auto same = std::ranges::find_if(written, [&](const Launch* other) {
      return std::ranges::equal(other->call.operands, one.call.operands, [](const Operand& a, const Operand& b) {
        return a.region == b.region && a.tensor == b.tensor;
      });
    });
    if (same != written.end()) {
      one.set = (*same)->set;
      return;
    }
    write_set(one);
    written.push_back(&one);
  });
}

void Scheduling::write_set(Launch& launch) const {
  // The pool frees its sets, so the handles are taken out of their owners.
  vk::raii::DescriptorSets sets(device().handle(),
                                vk::DescriptorSetAllocateInfo(*schedule_->descriptors, *launch.pipeline->set_layout));
  launch.set = sets.front().release();
  std::vector<vk::DescriptorBufferInfo> infos;
  for (const Operand& operand : launch.call.operands) {
    const Place place = schedule_->memory->of(operand);
    infos.emplace_back(place.buffer->handle(), place.offset, place.size_bytes);
  }
  std::vector<vk::WriteDescriptorSet> writes;
  for (std::uint32_t i = 0; i < infos.size(); ++i) {
    writes.emplace_back(launch.set, i, 0, 1, descriptor_type(launch.call.operands[i]), nullptr, &infos[i]);
  }
  device().handle().updateDescriptorSets(writes, {});
}

}  // namespace

std::unique_ptr<Schedule> make_schedule(Shared& shared, const Program& program, Precision precision, Fusion fusion,
                                        const std::atomic<bool>& cancel) {
  const Target target = target_of(*shared.device, precision, fusion, shared.forced);
  return Scheduling(shared, program, target, cancel).make();
}

}  // namespace dit::vulkan
