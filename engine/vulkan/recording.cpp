// SPDX-License-Identifier: MIT
#include "engine/vulkan/recording.h"

#include <algorithm>
#include <set>
#include <utility>

namespace dit::vulkan {
namespace {

/// Puts a barrier before a call that depends on one since the last barrier, and only there.
class Hazards {
 public:
  /// Whether `call` must wait for what came before.
  bool conflict(const KernelCall& call) const {
    return std::any_of(call.operands.begin(), call.operands.end(), [this](const Operand& operand) {
      const auto key = key_of(operand);
      return written_.contains(key) || (operand.written && read_.contains(key));
    });
  }
  void add(const KernelCall& call) {
    for (const Operand& operand : call.operands) {
      if (operand.read) read_.insert(key_of(operand));
      if (operand.written) written_.insert(key_of(operand));
    }
  }
  void clear() {
    read_.clear();
    written_.clear();
  }

 private:
  using Key = std::pair<Region, TensorId>;
  static Key key_of(const Operand& operand) { return {operand.region, operand.tensor}; }
  std::set<Key> read_, written_;
};

class PlanRecorder {
 public:
  PlanRecorder(const Device& device, Recording& recording) : device_(device), made_(recording) {}
  void record(std::uint32_t steps);

 private:
  void record_ops(const vk::raii::CommandBuffer& commands, const std::vector<LoweredOp>& ops, std::uint32_t step) const;
  void record_begin();
  void record_finish(const vk::raii::CommandBuffer& commands, std::uint32_t slot) const;
  const Schedule& schedule() const { return *made_.schedule; }

  const Device& device_;
  Recording& made_;
};

void PlanRecorder::record(std::uint32_t steps) {
  const vk::raii::Device& handle = device_.handle();
  const bool single = schedule().fusion == Fusion::single;
  if (single) steps = 0;
  made_.pool = vk::raii::CommandPool(handle, vk::CommandPoolCreateInfo({}, device_.family()));
  vk::raii::CommandBuffers buffers(handle, vk::CommandBufferAllocateInfo(*made_.pool, vk::CommandBufferLevel::ePrimary,
                                                                         steps + 3 + read_back_slots));
  std::size_t next = 0;
  const auto take = [&](const std::string& name) {
    device_.name(buffers[next], name);
    return std::move(buffers[next++]);
  };
  made_.prepare = take("prepare");
  record_ops(made_.prepare, schedule().prepare, 0);
  made_.begin = take("begin");
  record_begin();
  for (std::uint32_t slot = 0; slot < read_back_slots; ++slot) {
    made_.finish.push_back(take(fmt::format("finish {}", slot)));
    record_finish(made_.finish.back(), slot);
  }
  made_.icon = take("icon");
  if (schedule().icon) {
    made_.icon.begin(vk::CommandBufferBeginInfo());
    record_icon(made_.icon, schedule());
    made_.icon.end();
  }
  for (std::uint32_t step = 0; step < steps; ++step) {
    made_.steps.push_back(take(fmt::format("step {}", step)));
    record_ops(made_.steps.back(), schedule().step, step);
  }
  // A software device runs one step at a time anyway, and a second one in flight would only delay a cancel. A
  // persistent dispatch reads its range from the request, so there is one at a time too.
  const std::uint32_t in_flight = device_.info().software || single ? 1 : most_in_flight;
  for (std::uint32_t i = 0; i < in_flight; ++i) made_.fences.emplace_back(handle, vk::FenceCreateInfo());
}

/// What comes before the steps of a run.
void PlanRecorder::record_begin() {
  const auto families = device_.physical().getQueueFamilyProperties();
  if (families[device_.family()].timestampValidBits > 0) {
    made_.tick_ns = static_cast<double>(device_.limits().timestampPeriod);
    made_.times = vk::raii::QueryPool(device_.handle(), vk::QueryPoolCreateInfo({}, vk::QueryType::eTimestamp, 2));
  }
  made_.begin.begin(vk::CommandBufferBeginInfo());
  if (made_.tick_ns > 0) {
    made_.begin.resetQueryPool(*made_.times, 0, 2);
    made_.begin.writeTimestamp(vk::PipelineStageFlagBits::eTopOfPipe, *made_.times, 0);
  }
  made_.begin.end();
}

/// What comes after them: the bytes, and their way to the host.
void PlanRecorder::record_finish(const vk::raii::CommandBuffer& commands, std::uint32_t slot) const {
  commands.begin(vk::CommandBufferBeginInfo());
  full_barrier(commands);
  if (schedule().bytes && !schedule().icon) {
    for (const Launch& one : schedule().bytes->launches) record_launch(commands, one, 0);
    full_barrier(commands);
  }
  const Place from = schedule().memory->of({.region = Region::pictures}), to = schedule().memory->slot(slot);
  commands.copyBuffer(from.buffer->handle(), to.buffer->handle(),
                      vk::BufferCopy(from.offset, to.offset, from.size_bytes));
  if (made_.tick_ns > 0) commands.writeTimestamp(vk::PipelineStageFlagBits::eBottomOfPipe, *made_.times, 1);
  host_barrier(commands);
  commands.end();
}

void PlanRecorder::record_ops(const vk::raii::CommandBuffer& commands, const std::vector<LoweredOp>& ops,
                              std::uint32_t step) const {
  commands.begin(vk::CommandBufferBeginInfo());
  full_barrier(commands);  // against the step before, which may still be in flight
  Hazards hazards;
  for (const LoweredOp& op : ops) {
    if (device_.labels()) commands.beginDebugUtilsLabelEXT(vk::DebugUtilsLabelEXT(op.op->label.c_str()));
    for (const Launch& one : op.launches) {
      if (hazards.conflict(one.call)) {
        kernel_barrier(commands);
        hazards.clear();
      }
      hazards.add(one.call);
      record_launch(commands, one, step);
    }
    if (device_.labels()) commands.endDebugUtilsLabelEXT();
  }
  host_barrier(commands);
  commands.end();
}

}  // namespace

void record_launch(const vk::raii::CommandBuffer& commands, const Launch& launch, std::uint32_t step) {
  std::vector<std::uint32_t> push = launch.call.push;
  push[0] = step;
  commands.bindPipeline(vk::PipelineBindPoint::eCompute, *launch.pipeline->handle);
  commands.bindDescriptorSets(vk::PipelineBindPoint::eCompute, *launch.pipeline->layout, 0, launch.set, {});
  commands.pushConstants<std::uint32_t>(*launch.pipeline->layout, vk::ShaderStageFlagBits::eCompute, 0, push);
  commands.dispatch(launch.call.groups[0], launch.call.groups[1], launch.call.groups[2]);
}

void record_icon(const vk::raii::CommandBuffer& commands, const Schedule& schedule) {
  const Place control = schedule.memory->of({Region::control});
  full_barrier(commands);
  commands.fillBuffer(control.buffer->handle(), control.offset, control.size_bytes, 0);
  full_barrier(commands);
  record_launch(commands, *schedule.icon, 0);
  host_barrier(commands);
}

std::unique_ptr<Recording> record_schedule(const Device& device, std::unique_ptr<Schedule> schedule,
                                           std::uint32_t steps) {
  auto recording = std::make_unique<Recording>();
  recording->schedule = std::move(schedule);
  PlanRecorder(device, *recording).record(steps);
  return recording;
}

}  // namespace dit::vulkan
