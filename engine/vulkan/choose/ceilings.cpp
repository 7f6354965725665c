// SPDX-License-Identifier: MIT
#include "engine/vulkan/choose/ceilings.h"

#include <algorithm>
#include <bit>
#include <chrono>
#include <cstring>
#include <span>

#include "engine/vulkan/device/pipelines.h"
#include "engine/vulkan/device/stopwatch.h"
#include "engine/vulkan/device/upload.h"
#include "shaders/common/params.h"

namespace dit::vulkan {
namespace {

constexpr std::uint32_t invocations = 256;  // local_size of ceiling.comp
constexpr std::uint32_t grid_barriers = 100, dispatches = 100;
constexpr std::uint32_t spin_limit = 1u << 21;
constexpr int rounds = 7;
// Larger than any cache of the day, and no more than a software device copies in a moment.
constexpr std::uint64_t gpu_bytes = 512u << 20, software_bytes = 8u << 20;
// What is timed takes so long that starting it does not count.
constexpr double least_us = 3000;

template <typename Sample>
double median(Sample&& sample) {
  std::vector<double> values;
  for (int i = 0; i < rounds; ++i) values.push_back(sample());
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

class Measuring {
 public:
  explicit Measuring(Device& device);
  Ceilings measure();

 private:
  struct Kernel {
    const Pipeline* pipeline = nullptr;
    vk::DescriptorSet set;
  };

  Kernel kernel(const std::string& name, std::uint32_t which = 0);
  void dispatch(const vk::raii::CommandBuffer& commands, const Kernel& kernel, std::uint32_t groups,
                std::uint32_t repeats) const;
  double rate(const Kernel& kernel, std::uint32_t groups, double flop_a_repeat);
  double copy_rate();
  double dispatch_time(const Kernel& one, const Kernel& other);
  double grid_barrier_time();
  double submit_time();

  Device& device_;
  Stopwatch watch_;
  Pipelines pipelines_;
  vk::raii::DescriptorPool descriptors_{nullptr};
  Buffer from_, to_;
  std::uint32_t quads_;
};

Measuring::Measuring(Device& device) : device_(device), watch_(device), pipelines_(device, CacheFolder()) {
  // Half of what is free is for whoever else uses the device.
  std::uint64_t size = device.info().software ? software_bytes : gpu_bytes;
  while (size > device.limits().maxStorageBufferRange || 4 * size > device.info().memory_bytes) size /= 2;
  quads_ = static_cast<std::uint32_t>(size / 16);
  from_ = Buffer(device, Memory::device, size, "copied from");
  to_ = Buffer(device, Memory::device, size, "copied to");
  const vk::DescriptorPoolSize sizes(vk::DescriptorType::eStorageBuffer, 16);
  descriptors_ = vk::raii::DescriptorPool(device.handle(), vk::DescriptorPoolCreateInfo({}, 8, sizes));
  // Small numbers of no pattern, since zeros cost less power and so run faster than work does: halves below 1/16. The
  // first two words are what FMA multiplies by and adds.
  std::vector<std::uint32_t> words(1024);
  for (std::uint32_t i = 0; i < words.size(); ++i) words[i] = (i * 2654435761u & 0x83ff83ffu) | 0x24002400u;
  words[0] = std::bit_cast<std::uint32_t>(0.9f);
  words[1] = std::bit_cast<std::uint32_t>(0.1f);
  upload(device, from_, std::as_bytes(std::span(words)));
}

Measuring::Kernel Measuring::kernel(const std::string& name, std::uint32_t which) {
  const KernelCall call = {name,
                           {which},
                           {{Region::arena}, {Region::pictures, no_tensor, true, true}},
                           std::vector<std::uint32_t>(sizeof(params::Ceiling) / 4),
                           {1, 1, 1}};
  Kernel result = {&pipelines_.get(call), {}};
  // The pool frees its sets.
  result.set = vk::raii::DescriptorSets(device_.handle(),
                                        vk::DescriptorSetAllocateInfo(*descriptors_, *result.pipeline->set_layout))
                   .front()
                   .release();
  const vk::DescriptorBufferInfo from(from_.handle(), 0, VK_WHOLE_SIZE), to(to_.handle(), 0, VK_WHOLE_SIZE);
  const auto type = vk::DescriptorType::eStorageBuffer;
  device_.handle().updateDescriptorSets(
      {vk::WriteDescriptorSet(result.set, 0, 0, 1, type, nullptr, &from), {result.set, 1, 0, 1, type, nullptr, &to}},
      {});
  return result;
}

void Measuring::dispatch(const vk::raii::CommandBuffer& commands, const Kernel& kernel, std::uint32_t groups,
                         std::uint32_t repeats) const {
  const vk::PipelineLayout layout = *kernel.pipeline->layout;
  const params::Ceiling push = {0, quads_, repeats, spin_limit};
  commands.bindPipeline(vk::PipelineBindPoint::eCompute, *kernel.pipeline->handle);
  commands.bindDescriptorSets(vk::PipelineBindPoint::eCompute, layout, 0, kernel.set, {});
  commands.pushConstants<params::Ceiling>(layout, vk::ShaderStageFlagBits::eCompute, 0, push);
  commands.dispatch(groups, 1, 1);
  kernel_barrier(commands);
}

/// TFLOP/s of a kernel that computes for as long as it is told.
double Measuring::rate(const Kernel& kernel, std::uint32_t groups, double flop_a_repeat) {
  std::uint32_t repeats = 16;
  const auto time = [&] {
    return watch_.time([&](const vk::raii::CommandBuffer& commands) { dispatch(commands, kernel, groups, repeats); });
  };
  while (time() < least_us && repeats < 1u << 20) repeats *= 2;
  return flop_a_repeat * repeats * groups / median(time) * 1e-6;
}

double Measuring::copy_rate() {
  const Kernel copy = kernel("ceiling_copy");
  const std::uint32_t groups = std::min(quads_ / (4 * invocations), 65535u);
  const auto once = [&](const vk::raii::CommandBuffer& commands) { dispatch(commands, copy, groups, 1); };
  return 2 * 16e-3 * quads_ / median([&] { return watch_.time(once, once); });
}

/// Of two kernels in turn.
double Measuring::dispatch_time(const Kernel& one, const Kernel& other) {
  const auto all = [&](const vk::raii::CommandBuffer& commands) {
    for (std::uint32_t i = 0; i < dispatches; ++i) {
      dispatch(commands, i % 2 ? other : one, device_.abilities().processors, 1);
    }
  };
  return median([&] { return watch_.time(all, all); }) / dispatches;
}

double Measuring::grid_barrier_time() {
  const Kernel barriers = kernel("ceiling_barrier");
  const auto clear = [&](const vk::raii::CommandBuffer& commands) {
    commands.fillBuffer(to_.handle(), 0, 16, 0);
    full_barrier(commands);
  };
  const double us = median([&] {
    return watch_.time(
        [&](const vk::raii::CommandBuffer& commands) {
          dispatch(commands, barriers, device_.abilities().processors, grid_barriers);
        },
        clear);
  });
  const Buffer words(device_, Memory::read_back, 16, "grid barriers");
  device_.run_once([&](const vk::raii::CommandBuffer& commands) {
    commands.copyBuffer(to_.handle(), words.handle(), vk::BufferCopy(0, 0, 16));
  });
  words.invalidate();
  std::uint32_t failed = 0;
  std::memcpy(&failed, words.mapped() + 4, 4);
  return failed ? 0 : us / grid_barriers;
}

double Measuring::submit_time() {
  using Clock = std::chrono::steady_clock;
  return median([&] {
    const Clock::time_point start = Clock::now();
    device_.run_once([](const vk::raii::CommandBuffer&) {});
    return std::chrono::duration<double, std::micro>(Clock::now() - start).count();
  });
}

Ceilings Measuring::measure() {
  // Many rounds of workgroups, so that the last one, which need not fill the device, does not count.
  const std::uint32_t groups = device_.info().software ? 1 : std::max(32 * device_.abilities().processors, 1024u);
  const std::uint32_t room = quads_ * 4 / (invocations / 32 * 8 * 256);  // for the sums that MATRIX stores
  Ceilings c;
  c.copy_gb_s = copy_rate();
  c.f32_tflop_s = rate(kernel("ceiling_fma"), std::min(groups, room), 32.0 * 2 * invocations);
  if (MatrixFeatures(device_.abilities().matrices).extension_name()) {
    const Kernel multiply = kernel(std::string("ceiling") + suffix(device_.abilities().matrices));
    c.matrix_tflop_s = rate(multiply, std::min(groups, room), 8.0 * 2 * 16 * 16 * 16 * invocations / 32);
  }
  const Kernel empty = kernel("ceiling_empty"), other = kernel("ceiling_empty", 1);
  c.dispatch_us = dispatch_time(empty, empty);
  c.alternating_us = dispatch_time(empty, other);
  c.grid_barrier_us = grid_barrier_time();
  c.submit_us = submit_time();
  return c;
}

}  // namespace

Share share_of(const Ceilings& ceilings, const Work& work, double microseconds, bool matrix, const Launches& launches) {
  Share share;
  const auto consider = [&](const char* bound, double least_us) {
    if (least_us > share.share * microseconds) share = {bound, least_us / microseconds};
  };
  const double rate = matrix ? ceilings.matrix_tflop_s : ceilings.f32_tflop_s;
  if (rate > 0) consider(matrix ? "matrix" : "f32", work.flop / rate * 1e-6);
  if (ceilings.copy_gb_s > 0) consider("copy", work.bytes / ceilings.copy_gb_s * 1e-3);
  consider("dispatch", launches.dispatches * ceilings.dispatch_us);
  consider("barrier", launches.barriers * ceilings.grid_barrier_us);
  return share;
}

Ceilings measure_ceilings(std::size_t index) {
  const std::shared_ptr<Device> device = open_device(index);
  return translated("ceilings of " + device->info().name, [&] { return Measuring(*device).measure(); });
}

}  // namespace dit::vulkan
