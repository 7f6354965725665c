// SPDX-License-Identifier: MIT
#include "engine/vulkan/run/schedule.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "engine/vulkan/device/upload.h"

namespace dit::vulkan {
namespace {

constexpr std::uint32_t most_invocations = 256;
constexpr std::uint32_t most_shared_bytes = 49152;
constexpr std::uint32_t own_shared_bytes = 64;  // what the kernels declare besides the tile and the sums
constexpr std::uint32_t groups_a_line = 65535;
constexpr std::uint32_t spin_limit = 1u << 21;  // polls of the barrier: about two seconds on an NVIDIA H200

StageOptions stage_options(const Device& device, const Forced& forced, Precision precision, Fusion fusion) {
  StageOptions options = {.precision = precision, .fusion = fusion};
  options.forced = forced.tile;
  options.invocations = forced.invocations ? forced.invocations : most_invocations;
  while (options.invocations > device.limits().maxComputeWorkGroupInvocations ||
         options.invocations > device.limits().maxComputeWorkGroupSize[0]) {
    options.invocations /= 2;
  }
  options.shared_bytes = std::min(device.limits().maxComputeSharedMemorySize, most_shared_bytes) - own_shared_bytes;
  options.processors = device.abilities().processors;
  return options;
}

const char* kernel_suffix(const Device& device, Precision precision) {
  if (precision == Precision::f16_matrix) return suffix(device.abilities().matrices);
  return precision == Precision::f16 ? "_f16" : "_f32";
}

std::vector<Operand> stage_operands(bool pictures) {
  std::vector<Operand> operands = {{Region::packed_weights},
                                   {Region::arena, no_tensor, true, true},
                                   {Region::pictures, no_tensor, false, pictures},
                                   {Region::stages}};
  for (const Region region :
       {Region::icons, Region::solver, Region::solver_row, Region::modulation_row, Region::normal_table}) {
    operands.push_back({region});
  }
  return operands;
}

class Scheduling {
 public:
  Scheduling(Shared& shared, const Program& program, Precision precision, Fusion fusion)
      : shared_(shared), program_(program), made_(std::make_unique<Schedule>()) {
    made_->precision = precision;
    made_->fusion = fusion;
  }

  std::unique_ptr<Schedule> make() {
    // The plain kernels do f32 op by op, on any device.
    const bool staged = made_->precision != Precision::f32 || made_->fusion != Fusion::op;
    if (staged) {
      place_staged();
    } else {
      made_->memory = std::make_unique<Placement>(device(), shared_.weights, program_, nullptr);
      made_->step = lower_list(program_.step);
      made_->stages = static_cast<std::uint32_t>(made_->step.size());
    }
    made_->prepare = lower_list(program_.prepare);
    // The bytes of a picture are asked for once a run, not once a step.
    for (auto op = made_->step.begin(); op != made_->step.end(); ++op) {
      if (!std::holds_alternative<op::ToRgba>(op->op->what)) continue;
      made_->bytes = std::move(*op);
      made_->step.erase(op);
      break;
    }
    write_descriptors();
    return std::move(made_);
  }

 private:
  Device& device() const { return *shared_.device; }

  std::vector<LoweredOp> lower_list(const std::vector<Op>& ops) const;
  Launch launch(KernelCall call, const std::string& label) const;
  void place_staged();
  void pack(const PackingList& list);
  void write_stages(const StagedProgram& staged) const;
  void lower_staged(const StagedProgram& staged, const StageOptions& options);
  Launch stage_launch(const StagedProgram& staged, std::uint32_t index, const StageOptions& options,
                      const std::string& label) const;
  Launch icon_launch(const StagedProgram& staged, const StageOptions& options) const;
  void write_descriptors() const;
  void write_set(Launch& launch) const;
  template <typename Use>
  void each_launch(Use&& use) const;

  Shared& shared_;
  const Program& program_;
  std::unique_ptr<Schedule> made_;
  std::vector<StagedWork> slots_;  // of persistent.comp
};

Launch Scheduling::launch(KernelCall call, const std::string& label) const {
  for (std::size_t i = 0; i < 3; ++i) {
    expect(call.groups[i] <= device().limits().maxComputeWorkGroupCount[i], ErrorKind::unsupported,
           "op '{}': model needs {} workgroups, {} offers {}", label, call.groups[i], device().info().name,
           device().limits().maxComputeWorkGroupCount[i]);
  }
  const Pipeline& pipeline = shared_.pipelines->get(call);
  return {std::move(call), &pipeline, {}, {}};
}

std::vector<LoweredOp> Scheduling::lower_list(const std::vector<Op>& ops) const {
  std::vector<LoweredOp> result;
  for (const Op& op : ops) {
    LoweredOp lowered{&op, {}};
    for (KernelCall& call : lower(program_, op, made_->memory->types())) {
      lowered.launches.push_back(launch(std::move(call), op.label));
    }
    result.push_back(std::move(lowered));
  }
  return result;
}

void Scheduling::place_staged() {
  expect(device().abilities().stages, ErrorKind::unsupported,
         "{}: the fused kernels need 11 storage buffers a kernel and 60 KiB of uniform buffer", device().info().name);
  const StageOptions options = stage_options(device(), shared_.forced, made_->precision, made_->fusion);
  const StageLayouts layouts = stage_layouts(program_, options);
  made_->memory = std::make_unique<Placement>(device(), shared_.weights, program_, &layouts);
  const Placement& memory = *made_->memory;
  const auto quad = [](const Place& place) { return static_cast<std::uint32_t>(place.offset / 16); };
  StagedProgram staged = stage_program(program_, options, layouts,
                                       {.tensor = [&](TensorId id) { return quad(memory.tensor(id)); },
                                        .left = quad(memory.stage_left()),
                                        .rows = quad(memory.stage_rows())});
  made_->layouts = layouts.tensors;
  pack(staged.packing);
  if (options.matrix() && made_->fusion == Fusion::single) slots_ = give_slots(staged, options);
  write_stages(staged);
  lower_staged(staged, options);
}

void Scheduling::pack(const PackingList& list) {
  for (const auto& packed : shared_.packed) {
    if (packed->list == list) made_->packed = packed;
  }
  if (!made_->packed) {
    auto packed = std::make_shared<PackedWeights>();
    packed->list = list;
    const std::vector<std::byte> bytes = list.pack(*shared_.source);
    packed->buffer = Buffer(device(), Memory::device, std::max<std::uint64_t>(bytes.size(), 16), "packed weights");
    upload(device(), packed->buffer, bytes);
    shared_.packed.push_back(packed);
    made_->packed = std::move(packed);
  }
  const Buffer& buffer = made_->packed->buffer;
  expect(buffer.size_bytes() <= device().limits().maxStorageBufferRange, ErrorKind::unsupported,
         "packed weights: model needs {} in one buffer, {} offers {}", size_text(buffer.size_bytes()),
         device().info().name, size_text(device().limits().maxStorageBufferRange));
  made_->memory->set_packed_weights({&buffer, 0, buffer.size_bytes()});
}

void Scheduling::write_stages(const StagedProgram& staged) const {
  const Place place = made_->memory->of({Region::stages});
  std::byte* at = place.buffer->mapped();
  std::memset(at, 0, place.size_bytes);
  for (const StagedWork& work : staged.work) {
    std::memcpy(at, &work.stage, sizeof(work.stage));
    at += sizeof(work.stage);
  }
  place.buffer->flush();
}

Launch Scheduling::stage_launch(const StagedProgram& staged, std::uint32_t index, const StageOptions& options,
                                const std::string& label) const {
  const StagedWork& work = staged.work[index];
  KernelCall call = {std::string("dispatch") + kernel_suffix(device(), options.precision),
                     specialization_constants(work, options),
                     stage_operands(work.stage.kind == STAGE_RGBA),
                     push_constants(work.stage),
                     {std::min(work.stage.tiles, groups_a_line), 1, 1}};
  Launch made = launch(std::move(call), label);
  made.work = work;
  return made;
}

Launch Scheduling::icon_launch(const StagedProgram& staged, const StageOptions& options) const {
  expect(options.matrix(), ErrorKind::unsupported,
         "fusion single runs on matrix hardware alone; in f32 and f16 choose fusion block, which is faster");
  std::uint32_t tiles = 1;
  for (const StagedWork& work : staged.work) tiles = std::max(tiles, work.stage.tiles);
  KernelCall call = {std::string("persistent") + kernel_suffix(device(), options.precision),
                     lane_constants(slots_),
                     stage_operands(true),
                     {0, spin_limit},
                     {std::min(tiles, options.processors), 1, 1}};
  call.constants[0] = options.invocations;
  for (std::size_t i = 0; i < slots_.size(); ++i) {
    const std::vector<std::uint32_t> words = fixed_words(slots_[i].stage);
    call.constants.resize(STAGE_CONSTANTS + VARIANT_CONSTANTS * i);
    call.constants.insert(call.constants.end(), words.begin(), words.end());
  }
  call.operands.push_back({Region::control, no_tensor, true, true});
  call.operands.push_back({Region::range});
  call.operands.push_back({Region::status, no_tensor, false, true});
  return launch(std::move(call), "icon");
}

void Scheduling::lower_staged(const StagedProgram& staged, const StageOptions& options) {
  const bool single = made_->fusion == Fusion::single;
  if (single) made_->icon = icon_launch(staged, options);
  made_->stages = static_cast<std::uint32_t>(staged.work.size());
  for (const StagedOp& op : staged.ops) {
    LoweredOp lowered{&program_.step[op.op], {}, op.first, op.last};
    for (std::uint32_t i = op.first; !single && i < op.last; ++i) {
      lowered.launches.push_back(stage_launch(staged, i, options, lowered.op->label));
    }
    made_->step.push_back(std::move(lowered));
  }
}

template <typename Use>
void Scheduling::each_launch(Use&& use) const {
  for (std::vector<LoweredOp>* ops : {&made_->prepare, &made_->step}) {
    for (LoweredOp& op : *ops) {
      for (Launch& one : op.launches) use(one);
    }
  }
  if (made_->bytes) {
    for (Launch& one : made_->bytes->launches) use(one);
  }
  if (made_->icon) use(*made_->icon);
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
  made_->descriptors = vk::raii::DescriptorPool(device().handle(), vk::DescriptorPoolCreateInfo({}, sets, sizes));
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
  vk::raii::DescriptorSets made(device().handle(),
                                vk::DescriptorSetAllocateInfo(*made_->descriptors, *launch.pipeline->set_layout));
  launch.set = made.front().release();
  std::vector<vk::DescriptorBufferInfo> infos;
  for (const Operand& operand : launch.call.operands) {
    const Place place = made_->memory->of(operand);
    infos.emplace_back(place.buffer->handle(), place.offset, place.size_bytes);
  }
  std::vector<vk::WriteDescriptorSet> writes;
  for (std::uint32_t i = 0; i < infos.size(); ++i) {
    writes.emplace_back(launch.set, i, 0, 1, descriptor_type(launch.call.operands[i]), nullptr, &infos[i]);
  }
  device().handle().updateDescriptorSets(writes, {});
}

}  // namespace

/// Automatic is the exact path: an icon must be the same on every device. f16 is faster and is chosen by name.
Precision chosen(Precision wanted) { return wanted == Precision::automatic ? Precision::f32 : wanted; }

Fusion chosen(Precision precision, Fusion wanted) {
  if (wanted != Fusion::automatic) return wanted;
  return precision == Precision::f32 ? Fusion::op : Fusion::block;
}

std::unique_ptr<Schedule> make_schedule(Shared& shared, const Program& program, Precision precision, Fusion fusion) {
  return Scheduling(shared, program, precision, fusion).make();
}

}  // namespace dit::vulkan
