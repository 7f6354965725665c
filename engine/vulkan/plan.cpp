// SPDX-License-Identifier: MIT
#include "engine/vulkan/plan.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <optional>
#include <set>
#include <utility>

#include "engine/vulkan/executor.h"

namespace dit::vulkan {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::uint32_t most_in_flight = 2;
// What a submission may take, so that a cancel is soon obeyed.
constexpr double submission_ns = 20e6;
constexpr std::uint32_t trial_barriers = 64;

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

/// What noise.glsl reads of an icon: both keys, low words first, and the two weights of the blend.
using IconWords = std::array<std::uint32_t, 12>;

IconWords icon_words(const IconPoint& point) {
  const BlendWeights weights = blend_weights(point.blend);
  IconWords words{};
  std::size_t at = 0;
  for (const std::uint64_t value : {point.from.seed, point.from.index, point.toward.seed, point.toward.index}) {
    words[at++] = static_cast<std::uint32_t>(value);
    words[at++] = static_cast<std::uint32_t>(value >> 32);
  }
  words[at++] = std::bit_cast<std::uint32_t>(weights.from);
  words[at++] = std::bit_cast<std::uint32_t>(weights.toward);
  return words;
}

/// Everything that submitted work uses, besides what the executor owns.
struct Resources {
  std::unique_ptr<Schedule> schedule;
  vk::raii::CommandPool pool{nullptr};
  vk::raii::QueryPool times{nullptr};  // when a run began and ended
  std::vector<vk::raii::CommandBuffer> steps;
  std::optional<vk::raii::CommandBuffer> prepare, begin, finish, icon;
  std::vector<vk::raii::Fence> fences;
};

class VulkanPlan : public Plan {
 public:
  VulkanPlan(Shared& shared, Program program, Precision precision, Fusion fusion)
      : shared_(shared), program_(std::move(program)), resources_(std::make_unique<Resources>()) {
    resources_->schedule = make_schedule(shared, program_, precision, fusion);
    record();
    clear();
  }

  ~VulkanPlan() override {
    if (device().stuck()) (void)resources_.release();
  }

  /// fusion single: whether the workgroups meet at their barrier.
  bool stays_resident();

  void set_request(const Request& request) override;
  void prepare(const std::atomic<bool>& cancel) override;
  void run(std::uint32_t first, std::uint32_t last, const std::atomic<bool>& cancel) override;
  std::optional<std::chrono::nanoseconds> device_time() const override { return device_time_; }
  void read_rgba(std::uint32_t icon, std::span<std::uint8_t> out) override;
  std::vector<float> read(TensorId id) override;
  void write(TensorId id, std::span<const float> values) override;
  void capture(bool prepare, std::uint32_t step, const Checkpoint& checkpoint) override;
  const Program& program() const noexcept override { return program_; }

  std::vector<LaunchTime> time_launches(std::uint32_t step, std::uint32_t repeats);
  std::uint32_t dispatches() const;

 private:
  void record();
  void record_frame(vk::raii::CommandBuffers& buffers);
  void record_icon(const vk::raii::CommandBuffer& commands) const;
  void clear();

  void launch(const vk::raii::CommandBuffer& commands, const Launch& launch, std::uint32_t step) const;
  void record_ops(const vk::raii::CommandBuffer& commands, const std::vector<const LoweredOp*>& ops,
                  std::uint32_t step) const;
  void submit_steps(std::uint32_t first, std::uint32_t last, bool begins, bool ends, const vk::raii::Fence& fence);
  std::uint32_t steps_a_submission() const;
  void set_range(const std::array<std::uint32_t, RANGE_WORDS>& words) const;
  void check_status() const;
  void note_device_time();
  void capture_op(const LoweredOp& op, std::uint32_t step, const Checkpoint& checkpoint);
  void check_activation(TensorId id, const char* what) const;
  const Schedule& schedule() const { return *resources_->schedule; }
  const Placement& memory() const { return *schedule().memory; }
  bool on_host(TensorId id) const { return memory().tensor(id).buffer->mapped() != nullptr; }
  TensorLayout layout(TensorId id) const;

  template <typename Word>
  void put(const Place& place, const std::vector<Word>& words) {
    std::memcpy(place.buffer->mapped() + place.offset, words.data(), words.size() * sizeof(Word));
  }

  template <typename Work>
  auto guarded(Work&& work) {
    return translated(device().info().name, std::forward<Work>(work));
  }

  Device& device() const { return *shared_.device; }

  Shared& shared_;
  Program program_;
  std::uint32_t length_ = 0;  // steps that the request can run
  double step_ns_ = 0;        // by the wall clock, as last measured
  double tick_ns_ = 0;        // of the device's clock; 0: it has none
  std::optional<std::chrono::nanoseconds> device_time_;
  std::vector<vk::CommandBuffer> batch_;  // of one submission, kept so that a run allocates nothing
  std::unique_ptr<Resources> resources_;
};

void VulkanPlan::record() {
  const vk::raii::Device& handle = device().handle();
  const bool single = schedule().fusion == Fusion::single;
  const std::uint32_t steps = single ? 0 : program_.shape.steps;
  resources_->pool = vk::raii::CommandPool(handle, vk::CommandPoolCreateInfo({}, device().family()));
  vk::raii::CommandBuffers buffers(
      handle, vk::CommandBufferAllocateInfo(*resources_->pool, vk::CommandBufferLevel::ePrimary, steps + 4));
  std::vector<const LoweredOp*> ops;
  for (const LoweredOp& op : schedule().step) ops.push_back(&op);
  for (std::uint32_t step = 0; step < steps; ++step) {
    vk::raii::CommandBuffer& commands = resources_->steps.emplace_back(std::move(buffers[step + 4]));
    device().name(commands, fmt::format("step {}", step));
    record_ops(commands, ops, step);
  }
  record_frame(buffers);
  batch_.reserve(steps + 3);
  // A software device runs one step at a time anyway, and a second one in flight would only delay a cancel. A
  // persistent dispatch reads its range from the request, so there is one at a time too.
  const std::uint32_t in_flight = device().info().software || single ? 1 : most_in_flight;
  for (std::uint32_t i = 0; i < in_flight; ++i) resources_->fences.emplace_back(handle, vk::FenceCreateInfo());
}

/// What comes before and after the steps of a run, and the run of a persistent dispatch.
void VulkanPlan::record_frame(vk::raii::CommandBuffers& buffers) {
  const auto families = device().physical().getQueueFamilyProperties();
  if (families[device().family()].timestampValidBits > 0) {
    tick_ns_ = static_cast<double>(device().limits().timestampPeriod);
    resources_->times =
        vk::raii::QueryPool(device().handle(), vk::QueryPoolCreateInfo({}, vk::QueryType::eTimestamp, 2));
  }
  resources_->prepare.emplace(std::move(buffers[0]));
  device().name(*resources_->prepare, "prepare");
  std::vector<const LoweredOp*> ops;
  for (const LoweredOp& op : schedule().prepare) ops.push_back(&op);
  record_ops(*resources_->prepare, ops, 0);

  resources_->begin.emplace(std::move(buffers[1]));
  resources_->begin->begin(vk::CommandBufferBeginInfo());
  if (tick_ns_ > 0) {
    resources_->begin->resetQueryPool(*resources_->times, 0, 2);
    resources_->begin->writeTimestamp(vk::PipelineStageFlagBits::eTopOfPipe, *resources_->times, 0);
  }
  resources_->begin->end();

  resources_->finish.emplace(std::move(buffers[2]));
  device().name(*resources_->finish, "finish");
  resources_->finish->begin(vk::CommandBufferBeginInfo());
  if (schedule().bytes && !schedule().icon) {
    full_barrier(*resources_->finish);
    for (const Launch& one : schedule().bytes->launches) launch(*resources_->finish, one, 0);
  }
  if (tick_ns_ > 0) {
    resources_->finish->writeTimestamp(vk::PipelineStageFlagBits::eBottomOfPipe, *resources_->times, 1);
  }
  host_barrier(*resources_->finish);
  resources_->finish->end();

  if (!schedule().icon) return;
  resources_->icon.emplace(std::move(buffers[3]));
  device().name(*resources_->icon, "icon");
  resources_->icon->begin(vk::CommandBufferBeginInfo());
  record_icon(*resources_->icon);
  resources_->icon->end();
}

void VulkanPlan::record_icon(const vk::raii::CommandBuffer& commands) const {
  const Place control = memory().of({Region::control});
  full_barrier(commands);
  commands.fillBuffer(control.buffer->handle(), control.offset, control.size_bytes, 0);
  full_barrier(commands);
  launch(commands, *schedule().icon, 0);
  host_barrier(commands);
}

void VulkanPlan::record_ops(const vk::raii::CommandBuffer& commands, const std::vector<const LoweredOp*>& ops,
                            std::uint32_t step) const {
  commands.begin(vk::CommandBufferBeginInfo());
  full_barrier(commands);  // against the step before, which may still be in flight
  Hazards hazards;
  for (const LoweredOp* op : ops) {
    if (device().labels()) commands.beginDebugUtilsLabelEXT(vk::DebugUtilsLabelEXT(op->op->label.c_str()));
    for (const Launch& one : op->launches) {
      if (hazards.conflict(one.call)) {
        kernel_barrier(commands);
        hazards.clear();
      }
      hazards.add(one.call);
      launch(commands, one, step);
    }
    if (device().labels()) commands.endDebugUtilsLabelEXT();
  }
  host_barrier(commands);
  commands.end();
}

void VulkanPlan::launch(const vk::raii::CommandBuffer& commands, const Launch& launch, std::uint32_t step) const {
  std::vector<std::uint32_t> push = launch.call.push;
  push[0] = step;
  commands.bindPipeline(vk::PipelineBindPoint::eCompute, *launch.pipeline->handle);
  commands.bindDescriptorSets(vk::PipelineBindPoint::eCompute, *launch.pipeline->layout, 0, launch.set, {});
  commands.pushConstants<std::uint32_t>(*launch.pipeline->layout, vk::ShaderStageFlagBits::eCompute, 0, push);
  commands.dispatch(launch.call.groups[0], launch.call.groups[1], launch.call.groups[2]);
}

void VulkanPlan::clear() {
  device().run_once([this](const vk::raii::CommandBuffer& commands) {
    commands.fillBuffer(memory().arena().handle(), 0, VK_WHOLE_SIZE, 0);
  });
  for (const Buffer* buffer : {&memory().request(), &memory().read_back()}) {
    std::memset(buffer->mapped(), 0, buffer->size_bytes());
    buffer->flush();
  }
}

void VulkanPlan::set_request(const Request& request) {
  length_ = check_request(program_, request);
  guarded([&] {
    const Place icons = memory().of({.region = Region::icons});
    std::byte* icon = icons.buffer->mapped() + icons.offset;
    for (const IconPoint& point : request.icons) {
      const IconWords words = icon_words(point);
      std::memcpy(icon, words.data(), sizeof(words));
      icon += sizeof(words);
    }
    put(memory().tensor(program_.condition), request.condition);
    put(memory().of({.region = Region::modulation_row}), request.modulation_row);
    put(memory().of({.region = Region::solver}), request.solver);
    put(memory().of({.region = Region::solver_row}), request.solver_row);
    memory().request().flush();
  });
}

void VulkanPlan::prepare(const std::atomic<bool>& cancel) {
  // One short submission on a GPU, so there is nothing to poll for once it is on its way.
  if (cancel.load()) throw Cancelled();
  guarded([&] {
    device().submit(*resources_->prepare, resources_->fences[0]);
    device().wait(resources_->fences[0]);
  });
}

void VulkanPlan::set_range(const std::array<std::uint32_t, RANGE_WORDS>& words) const {
  const Place range = memory().of({Region::range}), status = memory().of({Region::status});
  std::memcpy(range.buffer->mapped() + range.offset, words.data(), sizeof(words));
  range.buffer->flush();
  std::memset(status.buffer->mapped() + status.offset, 0, 4);
  status.buffer->flush();
}

void VulkanPlan::check_status() const {
  const Place status = memory().of({Region::status});
  std::uint32_t word = 0;
  memory().read_back().invalidate();
  std::memcpy(&word, status.buffer->mapped() + status.offset, 4);
  expect(word == 0, ErrorKind::device, "{}: a persistent dispatch gave up at its barrier; use fusion=block",
         device().info().name);
}

bool VulkanPlan::stays_resident() {
  return guarded([&] {
    set_range({0, 0, 0, 0, trial_barriers});
    device().submit(*resources_->icon, resources_->fences[0]);
    device().wait(resources_->fences[0]);
    try {
      check_status();
    } catch (const Error&) {
      return false;
    }
    return true;
  });
}

/// All at once where that is quick.
std::uint32_t VulkanPlan::steps_a_submission() const {
  if (step_ns_ <= 0) return 1;
  return static_cast<std::uint32_t>(std::clamp(submission_ns / step_ns_, 1.0, double{UINT16_MAX}));
}

void VulkanPlan::submit_steps(std::uint32_t first, std::uint32_t last, bool begins, bool ends,
                              const vk::raii::Fence& fence) {
  batch_.clear();
  if (begins) batch_.push_back(**resources_->begin);
  if (schedule().icon) {
    // Bytes are the last stage, and only the last step of a run makes them.
    const std::uint32_t stages = schedule().stages - (ends || !schedule().bytes ? 0 : 1);
    set_range({first, last, 0, stages, 0});
    batch_.push_back(**resources_->icon);
  } else {
    for (std::uint32_t step = first; step < last; ++step) batch_.push_back(*resources_->steps[step]);
  }
  if (ends) batch_.push_back(**resources_->finish);
  device().submit(batch_, fence);
}

void VulkanPlan::note_device_time() {
  if (tick_ns_ <= 0) return;
  std::array<std::uint64_t, 2> ticks{};
  const vk::Device handle = *device().handle();
  const vk::Result result =
      handle.getQueryPoolResults(*resources_->times, 0, 2, sizeof(ticks), ticks.data(), sizeof(std::uint64_t),
                                 vk::QueryResultFlagBits::e64, *device().handle().getDispatcher());
  if (result != vk::Result::eSuccess) return;
  const double ns = static_cast<double>(ticks[1] - ticks[0]) * tick_ns_;
  device_time_ = std::chrono::nanoseconds(static_cast<std::int64_t>(ns));
}

void VulkanPlan::run(std::uint32_t first, std::uint32_t last, const std::atomic<bool>& cancel) {
  expect(first <= last && last <= length_, ErrorKind::settings, "steps {} … {} of a request of {} steps", first, last,
         length_);
  device_time_.reset();
  std::uint32_t done = first;
  guarded([&] {
    const auto window = static_cast<std::uint32_t>(resources_->fences.size());
    std::array<std::uint32_t, most_in_flight> ends{};
    std::uint32_t submitted = first, oldest = 0, in_flight = 0;
    while (done < last) {
      const Clock::time_point start = Clock::now();
      // Once cancelled nothing more is submitted, but what is in flight is waited for: the plan stays usable.
      while (submitted < last && in_flight < window && !cancel.load()) {
        const std::uint32_t slot = (oldest + in_flight++) % window;
        ends[slot] = std::min(last, submitted + steps_a_submission());
        submit_steps(submitted, ends[slot], submitted == first, ends[slot] == last, resources_->fences[slot]);
        submitted = ends[slot];
      }
      if (in_flight == 0) break;
      device().wait(resources_->fences[oldest]);
      if (schedule().icon) check_status();
      const double ns = std::chrono::duration<double, std::nano>(Clock::now() - start).count();
      step_ns_ = ns / (ends[oldest] - done);
      done = ends[oldest];
      oldest = (oldest + 1) % window;
      --in_flight;
    }
    if (done == last && first < last) note_device_time();
  });
  if (cancel.load()) throw Cancelled();
}

void VulkanPlan::read_rgba(std::uint32_t icon, std::span<std::uint8_t> out) {
  const Place& place = memory().tensor(program_.rgba);
  const std::uint64_t size = element_count(program_.tensor(program_.rgba).shape) / program_.shape.batch;
  expect(icon < program_.shape.batch, ErrorKind::settings, "icon {} of a batch of {}", icon, program_.shape.batch);
  expect(out.size() == size, ErrorKind::settings, "icon: expected room for {} bytes, found {}", size, out.size());
  guarded([&] {
    memory().read_back().invalidate();
    std::memcpy(out.data(), place.buffer->mapped() + place.offset + icon * size, size);
  });
}

TensorLayout VulkanPlan::layout(TensorId id) const {
  if (!schedule().layouts.empty()) return schedule().layouts[id];
  TensorLayout plain;
  plain.count = element_count(program_.tensors[id].shape);
  return plain;
}

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
    if (tensor.kind == TensorKind::rgba) {
      memory().read_back().invalidate();
      const auto* bytes = reinterpret_cast<const std::uint8_t*>(place.buffer->mapped() + place.offset);
      std::copy_n(bytes, values.size(), values.begin());
      return;
    }
    if (on_host(id)) {
      std::memcpy(values.data(), place.buffer->mapped() + place.offset, values.size() * sizeof(float));
      return;
    }
    const Buffer staging(device(), Memory::read_back, place.size_bytes, "read staging");
    device().run_once([&](const vk::raii::CommandBuffer& commands) {
      commands.copyBuffer(place.buffer->handle(), staging.handle(), vk::BufferCopy(place.offset, 0, place.size_bytes));
    });
    staging.invalidate();
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
    if (op.launches.empty()) set_range({step, step + 1, op.first_stage, op.last_stage, 0});
    device().run_once([&](const vk::raii::CommandBuffer& commands) {
      if (op.launches.empty()) record_icon(commands);
      for (const Launch& one : op.launches) {
        full_barrier(commands);
        launch(commands, one, step);
      }
    });
    if (op.launches.empty()) check_status();
  });
  const TensorId output = output_of(op.op->what);
  checkpoint(*op.op, program_.tensors[output].shape, read(output));
}

std::uint32_t VulkanPlan::dispatches() const {
  if (schedule().icon) return schedule().stages;
  std::size_t count = 0;
  for (const LoweredOp& op : schedule().step) count += op.launches.size();
  return static_cast<std::uint32_t>(count);
}

std::vector<LaunchTime> VulkanPlan::time_launches(std::uint32_t step, std::uint32_t repeats) {
  std::vector<LaunchTime> times;
  if (tick_ns_ <= 0) return times;
  const vk::raii::QueryPool pool(device().handle(), vk::QueryPoolCreateInfo({}, vk::QueryType::eTimestamp, 2));
  for (const LoweredOp& op : schedule().step) {
    for (const Launch& one : op.launches) {
      device().run_once([&](const vk::raii::CommandBuffer& commands) {
        commands.resetQueryPool(*pool, 0, 2);
        for (std::uint32_t i = 0; i <= repeats; ++i) {
          // The first repetition warms the caches.
          if (i == 1) commands.writeTimestamp(vk::PipelineStageFlagBits::eBottomOfPipe, *pool, 0);
          launch(commands, one, step);
          kernel_barrier(commands);
        }
        commands.writeTimestamp(vk::PipelineStageFlagBits::eBottomOfPipe, *pool, 1);
      });
      const auto ticks = pool.getResults<std::uint64_t>(0, 2, 2 * sizeof(std::uint64_t), sizeof(std::uint64_t),
                                                        vk::QueryResultFlagBits::e64 | vk::QueryResultFlagBits::eWait);
      std::string kernel = one.call.kernel;
      for (const std::uint32_t constant : one.call.constants) kernel += fmt::format(" {}", constant);
      times.push_back({op.op->label, kernel, one.call.groups[0] * one.call.groups[1] * one.call.groups[2],
                       static_cast<double>(ticks.second[1] - ticks.second[0]) * tick_ns_ / 1e3 / repeats});
    }
  }
  return times;
}

}  // namespace

std::vector<LaunchTime> time_launches(Plan& plan, std::uint32_t step, std::uint32_t repeats) {
  return dynamic_cast<VulkanPlan&>(plan).time_launches(step, repeats);
}

std::uint32_t dispatches(const Plan& plan) { return dynamic_cast<const VulkanPlan&>(plan).dispatches(); }

std::unique_ptr<Plan> make_plan(Shared& shared, Program program, Precision precision, Fusion fusion) {
  if (fusion != Fusion::single) return std::make_unique<VulkanPlan>(shared, std::move(program), precision, fusion);
  auto plan = std::make_unique<VulkanPlan>(shared, program, precision, fusion);
  if (plan->stays_resident()) return plan;
  plan.reset();
  return std::make_unique<VulkanPlan>(shared, std::move(program), precision, Fusion::block);
}

}  // namespace dit::vulkan
