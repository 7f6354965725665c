// SPDX-License-Identifier: MIT
#include "engine/vulkan/plan.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <optional>
#include <set>
#include <utility>

namespace dit::vulkan {
namespace {

constexpr std::uint32_t most_in_flight = 2;

/// A kernel call with its pipeline and its bindings.
struct Launch {
  KernelCall call;
  const Pipeline* pipeline = nullptr;
  vk::DescriptorSet set;
};

struct LoweredOp {
  const Op* op = nullptr;
  std::vector<Launch> launches;
};

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
  Resources(Shared& shared, const Program& program) : memory(*shared.device, shared.weights, program) {}

  Placement memory;
  vk::raii::DescriptorPool descriptors{nullptr};
  vk::raii::CommandPool pool{nullptr};
  std::vector<vk::raii::CommandBuffer> steps;
  std::optional<vk::raii::CommandBuffer> prepare;
  std::vector<vk::raii::Fence> fences;  // step s uses fence s mod size
};

class VulkanPlan : public Plan {
 public:
  VulkanPlan(Shared& shared, Program program)
      : shared_(shared), program_(std::move(program)), resources_(std::make_unique<Resources>(shared, program_)) {
    lower_all();
    write_descriptors();
    record();
    clear();
  }

  ~VulkanPlan() override {
    if (device().stuck()) (void)resources_.release();
  }

  void set_request(const Request& request) override;
  void prepare(const std::atomic<bool>& cancel) override;
  void run(std::uint32_t first, std::uint32_t last, const std::atomic<bool>& cancel) override;
  void read_rgba(std::uint32_t icon, std::span<std::uint8_t> out) override;
  std::vector<float> read(TensorId id) override;
  void write(TensorId id, std::span<const float> values) override;
  void capture(bool prepare, std::uint32_t step, const Checkpoint& checkpoint) override;
  const Program& program() const noexcept override { return program_; }

 private:
  void lower_all();
  void write_descriptors();
  void record();
  void clear();

  void launch(const vk::raii::CommandBuffer& commands, const Launch& launch, std::uint32_t step) const;
  void record_list(const vk::raii::CommandBuffer& commands, const std::vector<LoweredOp>& ops,
                   std::uint32_t step) const;
  void check_activation(TensorId id, const char* what) const;
  const Placement& memory() const { return resources_->memory; }
  bool on_host(TensorId id) const { return memory().tensor(id).buffer->mapped() != nullptr; }

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
  std::unique_ptr<Resources> resources_;
  std::vector<LoweredOp> prepare_ops_, step_ops_;
};

void VulkanPlan::lower_all() {
  const auto lower_list = [this](const std::vector<Op>& ops) {
    std::vector<LoweredOp> result;
    for (const Op& op : ops) {
      LoweredOp lowered{&op, {}};
      for (KernelCall& call : lower(program_, op, memory().types())) {
        for (std::size_t i = 0; i < 3; ++i) {
          expect(call.groups[i] <= device().limits().maxComputeWorkGroupCount[i], ErrorKind::unsupported,
                 "op '{}': model needs {} workgroups, {} offers {}", op.label, call.groups[i], device().info().name,
                 device().limits().maxComputeWorkGroupCount[i]);
        }
        const Pipeline& pipeline = shared_.pipelines->get(call);
        lowered.launches.push_back({std::move(call), &pipeline, {}});
      }
      result.push_back(std::move(lowered));
    }
    return result;
  };
  prepare_ops_ = lower_list(program_.prepare);
  step_ops_ = lower_list(program_.step);
}

void VulkanPlan::write_descriptors() {
  std::uint32_t sets = 0, buffers = 0;
  for (const std::vector<LoweredOp>* ops : {&prepare_ops_, &step_ops_}) {
    for (const LoweredOp& op : *ops) {
      for (const Launch& launch : op.launches) {
        ++sets;
        buffers += static_cast<std::uint32_t>(launch.call.operands.size());
      }
    }
  }
  if (sets == 0) return;
  const vk::DescriptorPoolSize size(vk::DescriptorType::eStorageBuffer, buffers);
  resources_->descriptors = vk::raii::DescriptorPool(device().handle(), vk::DescriptorPoolCreateInfo({}, sets, size));
  for (std::vector<LoweredOp>* ops : {&prepare_ops_, &step_ops_}) {
    for (LoweredOp& op : *ops) {
      for (Launch& launch : op.launches) {
        // The pool frees its sets, so the handles are taken out of their owners.
        vk::raii::DescriptorSets made(
            device().handle(), vk::DescriptorSetAllocateInfo(*resources_->descriptors, *launch.pipeline->set_layout));
        launch.set = made.front().release();
        std::vector<vk::DescriptorBufferInfo> infos;
        for (const Operand& operand : launch.call.operands) {
          const Place place = memory().of(operand);
          infos.emplace_back(place.buffer->handle(), place.offset, place.size_bytes);
        }
        const vk::WriteDescriptorSet write(launch.set, 0, 0, vk::DescriptorType::eStorageBuffer, {}, infos);
        device().handle().updateDescriptorSets(write, {});
      }
    }
  }
}

void VulkanPlan::record() {
  const vk::raii::Device& handle = device().handle();
  resources_->pool = vk::raii::CommandPool(handle, vk::CommandPoolCreateInfo({}, device().family()));
  vk::raii::CommandBuffers buffers(
      handle,
      vk::CommandBufferAllocateInfo(*resources_->pool, vk::CommandBufferLevel::ePrimary, program_.shape.steps + 1));
  for (std::uint32_t step = 0; step < program_.shape.steps; ++step) {
    vk::raii::CommandBuffer& commands = resources_->steps.emplace_back(std::move(buffers[step]));
    device().name(commands, fmt::format("step {}", step));
    record_list(commands, step_ops_, step);
  }
  resources_->prepare.emplace(std::move(buffers.back()));
  device().name(*resources_->prepare, "prepare");
  record_list(*resources_->prepare, prepare_ops_, 0);
  // A software device runs one step at a time anyway, and a second one in flight would only delay a cancel.
  const std::uint32_t in_flight = device().info().software ? 1 : most_in_flight;
  for (std::uint32_t i = 0; i < in_flight; ++i) resources_->fences.emplace_back(handle, vk::FenceCreateInfo());
}

void VulkanPlan::record_list(const vk::raii::CommandBuffer& commands, const std::vector<LoweredOp>& ops,
                             std::uint32_t step) const {
  commands.begin(vk::CommandBufferBeginInfo());
  full_barrier(commands);  // against the step before, which may still be in flight
  Hazards hazards;
  for (const LoweredOp& op : ops) {
    if (device().labels()) commands.beginDebugUtilsLabelEXT(vk::DebugUtilsLabelEXT(op.op->label.c_str()));
    for (const Launch& one : op.launches) {
      if (hazards.conflict(one.call)) {
        full_barrier(commands);
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

void VulkanPlan::run(std::uint32_t first, std::uint32_t last, const std::atomic<bool>& cancel) {
  expect(first <= last && last <= length_, ErrorKind::settings, "steps {} … {} of a request of {} steps", first, last,
         length_);
  guarded([&] {
    const auto& fences = resources_->fences;
    const auto window = static_cast<std::uint32_t>(fences.size());
    std::uint32_t submitted = first;
    for (std::uint32_t done = first; done < last; ++done) {
      // Once cancelled nothing more is submitted, but what is in flight is waited for: the plan stays usable.
      while (submitted < std::min(last, done + window) && !cancel.load()) {
        device().submit(resources_->steps[submitted], fences[submitted % window]);
        ++submitted;
      }
      if (done == submitted) break;
      device().wait(fences[done % window]);
    }
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
    std::memcpy(values.data(), staging.mapped(), values.size() * sizeof(float));
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
    std::memcpy(staging.mapped(), values.data(), values.size_bytes());
    staging.flush();
    device().run_once([&](const vk::raii::CommandBuffer& commands) {
      commands.copyBuffer(staging.handle(), place.buffer->handle(),
                          vk::BufferCopy(0, place.offset, values.size_bytes()));
    });
  });
}

void VulkanPlan::capture(bool prepare, std::uint32_t step, const Checkpoint& checkpoint) {
  expect(step < program_.shape.steps, ErrorKind::settings, "step {} of a plan of {} steps", step, program_.shape.steps);
  for (const LoweredOp& op : prepare ? prepare_ops_ : step_ops_) {
    guarded([&] {
      device().run_once([&](const vk::raii::CommandBuffer& commands) {
        for (const Launch& one : op.launches) {
          full_barrier(commands);
          launch(commands, one, step);
        }
      });
    });
    const TensorId output = output_of(op.op->what);
    checkpoint(*op.op, program_.tensors[output].shape, read(output));
  }
}

}  // namespace

std::unique_ptr<Plan> make_plan(Shared& shared, Program program) {
  return std::make_unique<VulkanPlan>(shared, std::move(program));
}

}  // namespace dit::vulkan
