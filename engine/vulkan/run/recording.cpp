// SPDX-License-Identifier: MIT
#include "engine/vulkan/run/recording.h"

#include <algorithm>
#include <set>
#include <utility>

namespace dit::vulkan {
namespace {

// Of one command buffer: at two to three microseconds a dispatch what lies between two of them is lost in their time.
constexpr std::uint32_t most_steps = 64;
constexpr std::uint32_t least_room = 512, room_a_step = 4;  // see Recording::full()

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

/// Ops one after the other, with a barrier where one depends on another since the last barrier.
class OpRecorder {
 public:
  OpRecorder(const Device& device, const vk::raii::CommandBuffer& commands)
      : device_(device), commands_(commands), launches_(commands) {}

  void record(const std::vector<LaunchedOp>& ops, std::uint32_t step) {
    for (const LaunchedOp& op : ops) {
      if (device_.labels()) commands_.beginDebugUtilsLabelEXT(vk::DebugUtilsLabelEXT(op.op->label.c_str()));
      for (const Launch& one : op.launches) {
        if (hazards_.conflict(one.call)) {
          kernel_barrier(commands_);
          hazards_.clear();
        }
        hazards_.add(one.call);
        launches_.record(one, step);
      }
      if (device_.labels()) commands_.endDebugUtilsLabelEXT();
    }
  }

 private:
  const Device& device_;
  const vk::raii::CommandBuffer& commands_;
  LaunchRecorder launches_;
  Hazards hazards_;
};

}  // namespace

Recording::Recording(Device& device, std::unique_ptr<Schedule> schedule, std::uint32_t steps)
    : device_(device), schedule_(std::move(schedule)), room_(std::max(least_room, room_a_step * steps)) {
  const vk::raii::Device& handle = device_.handle();
  pool_ = vk::raii::CommandPool(handle, vk::CommandPoolCreateInfo({}, device_.family()));
  const auto families = device_.physical().getQueueFamilyProperties();
  if (families[device_.family()].timestampValidBits > 0 && device_.abilities().host_resets_queries) {
    tick_ns_ = static_cast<double>(device_.limits().timestampPeriod);
    times_ = vk::raii::QueryPool(handle, vk::QueryPoolCreateInfo({}, vk::QueryType::eTimestamp, 2 * OpenRuns::entries));
  }
  record_prepare();
  // A software device runs one submission at a time anyway, and a second one would only delay a cancel.
  const std::uint32_t submissions = device_.info().software ? 1 : most_submissions;
  for (std::uint32_t i = 0; i < submissions; ++i) fences_.emplace_back(handle, vk::FenceCreateInfo());
}

std::array<std::uint32_t, RANGE_WORDS> Recording::range_of(const Stretch& s) const {
  // Bytes are the last stage, and only the last step of a run makes them.
  const std::uint32_t stages = schedule_->stages - (s.ends || !schedule_->bytes ? 0 : 1);
  return {s.first, s.last, 0, stages, 0};
}

void Recording::append(const Stretch& s, std::vector<vk::CommandBuffer>& list) {
  if (persistent()) {
    list.push_back(get({.begins = s.begins, .ends = s.ends, .entry = s.entry}));
    return;
  }
  if (s.last - s.first <= most_steps) {
    list.push_back(get(s));
    return;
  }
  if (s.begins) list.push_back(get({.begins = true, .entry = s.entry}));
  for (std::uint32_t first = s.first; first < s.last;) {
    const std::uint32_t last = std::min(s.last, (first / most_steps + 1) * most_steps);
    list.push_back(get({.first = first, .last = last}));
    first = last;
  }
  if (s.ends) list.push_back(get({.ends = true, .entry = s.entry}));
}

void Recording::forget() {
  stretches_.clear();
  recorded_ = 0;
}

void Recording::record_anew() {
  forget();
  record_prepare();
}

void Recording::record_prepare() {
  prepare_ = make("prepare");
  prepare_.begin(vk::CommandBufferBeginInfo());
  full_barrier(prepare_);
  OpRecorder(device_, prepare_).record(schedule_->prepare, 0);
  prepare_.end();
}

vk::CommandBuffer Recording::get(Stretch stretch) {
  if (!stretch.begins && !stretch.ends && !persistent()) stretch.entry = 0;
  auto found = stretches_.find(stretch);
  if (found == stretches_.end()) {
    found = stretches_.emplace(stretch, record(stretch)).first;
    recorded_ += std::max(1u, stretch.last - stretch.first);
  }
  return *found->second;
}

vk::raii::CommandBuffer Recording::make(const std::string& name) const {
  vk::raii::CommandBuffers one(device_.handle(),
                               vk::CommandBufferAllocateInfo(*pool_, vk::CommandBufferLevel::ePrimary, 1));
  device_.name(one.front(), name);
  return std::move(one.front());
}

vk::raii::CommandBuffer Recording::record(const Stretch& s) const {
  vk::raii::CommandBuffer commands =
      make(fmt::format("steps {} to {}{}{}", s.first, s.last, s.begins ? ", begin" : "", s.ends ? ", end" : ""));
  // What no ring entry keeps apart may be pending for two runs.
  const bool shared = !s.begins && !s.ends && !persistent();
  commands.begin(vk::CommandBufferBeginInfo(shared ? vk::CommandBufferUsageFlagBits::eSimultaneousUse
                                                   : vk::CommandBufferUsageFlags()));
  // Once all before is done: the run before may still be pending.
  if (s.begins && tick_ns_ > 0) commands.writeTimestamp(vk::PipelineStageFlagBits::eBottomOfPipe, *times_, 2 * s.entry);
  // A run begins after the end of another, whose barrier has seen the last reader of the words, or after a wait.
  if (!s.begins) full_barrier(commands);
  if (persistent()) {
    record_persistent(commands, *schedule_, s.entry);
  } else {
    if (s.begins) {
      record_words(commands, *schedule_, s.entry);
      full_barrier(commands);
    }
    OpRecorder ops(device_, commands);
    for (std::uint32_t step = s.first; step < s.last; ++step) ops.record(schedule_->step, step);
  }
  if (s.ends) record_finish(commands, s.entry);
  if (s.ends || persistent()) host_barrier(commands);
  commands.end();
  return commands;
}

/// What comes after the steps of a run: the bytes, and their way to the host.
void Recording::record_finish(const vk::raii::CommandBuffer& commands, std::uint32_t entry) const {
  full_barrier(commands);
  if (schedule_->bytes && !persistent()) {
    for (const Launch& one : schedule_->bytes->launches) record_launch(commands, one, 0);
    full_barrier(commands);
  }
  const Place from = schedule_->memory->of({.region = Region::pictures}), to = schedule_->memory->entry(entry).pictures;
  commands.copyBuffer(from.buffer->handle(), to.buffer->handle(),
                      vk::BufferCopy(from.offset, to.offset, from.size_bytes));
  if (tick_ns_ > 0) commands.writeTimestamp(vk::PipelineStageFlagBits::eBottomOfPipe, *times_, 2 * entry + 1);
}

void LaunchRecorder::record(const Launch& launch, std::uint32_t step) {
  const KernelCall& call = launch.call;
  const vk::PipelineLayout layout = *launch.pipeline->layout;
  // Layouts that agree in the set and in the size of the constants keep both.
  const bool same_layout = last_ && last_->call.push.size() == call.push.size();
  if (!last_ || last_->pipeline != launch.pipeline)
    commands_.bindPipeline(vk::PipelineBindPoint::eCompute, *launch.pipeline->handle);
  if (!same_layout || last_->set != launch.set)
    commands_.bindDescriptorSets(vk::PipelineBindPoint::eCompute, layout, 0, launch.set, {});
  if (!same_layout || last_step_ != step || last_->call.push != call.push) {
    std::vector<std::uint32_t> push = call.push;
    push[0] = step;
    commands_.pushConstants<std::uint32_t>(layout, vk::ShaderStageFlagBits::eCompute, 0, push);
  }
  commands_.dispatch(call.groups[0], call.groups[1], call.groups[2]);
  last_ = &launch;
  last_step_ = step;
}

void record_launch(const vk::raii::CommandBuffer& commands, const Launch& launch, std::uint32_t step) {
  LaunchRecorder(commands).record(launch, step);
}

void record_words(const vk::raii::CommandBuffer& commands, const Schedule& schedule, std::uint32_t entry) {
  const Placement& memory = *schedule.memory;
  const auto copy = [&](const Place& from, const Place& to) {
    commands.copyBuffer(from.buffer->handle(), to.buffer->handle(),
                        vk::BufferCopy(from.offset, to.offset, from.size_bytes));
  };
  copy(memory.entry(entry).icons, memory.of({Region::icons}));
  if (memory.sketch_pixels() > 0) copy(memory.entry(entry).sketches, memory.of({Region::sketches}));
  if (!schedule.persistent) return;
  copy(memory.entry(entry).range, memory.of({Region::range}));
  const Place control = memory.of({Region::control});
  commands.fillBuffer(control.buffer->handle(), control.offset, control.size_bytes, 0);
}

void record_persistent(const vk::raii::CommandBuffer& commands, const Schedule& schedule, std::uint32_t entry) {
  record_words(commands, schedule, entry);
  full_barrier(commands);
  record_launch(commands, *schedule.persistent, 0);
}

}  // namespace dit::vulkan
