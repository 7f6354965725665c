// SPDX-License-Identifier: MIT
#include "engine/vulkan/plan.h"

#include <algorithm>
#include <bit>

namespace dit::vulkan {
namespace {

using Clock = std::chrono::steady_clock;

// What a submission may take, so that a cancel is soon obeyed.
constexpr double submission_ns = 20e6;
constexpr std::uint32_t trial_barriers = 64;

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

}  // namespace

VulkanPlan::VulkanPlan(Shared& shared, Program program, Precision precision, Fusion fusion)
    : shared_(shared), program_(std::move(program)) {
  recording_ = record_schedule(device(), make_schedule(shared, program_, precision, fusion), program_.shape.steps);
  batch_.reserve(program_.shape.steps + 3);
  clear();
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
    device().submit(recording_->prepare, recording_->fences[0]);
    device().wait(recording_->fences[0]);
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
    device().submit(recording_->icon, recording_->fences[0]);
    device().wait(recording_->fences[0]);
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
  if (begins) batch_.push_back(*recording_->begin);
  if (schedule().icon) {
    // Bytes are the last stage, and only the last step of a run makes them.
    const std::uint32_t stages = schedule().stages - (ends || !schedule().bytes ? 0 : 1);
    set_range({first, last, 0, stages, 0});
    batch_.push_back(*recording_->icon);
  } else {
    for (std::uint32_t step = first; step < last; ++step) batch_.push_back(*recording_->steps[step]);
  }
  if (ends) batch_.push_back(*recording_->finish);
  device().submit(batch_, fence);
}

void VulkanPlan::run(std::uint32_t first, std::uint32_t last, const std::atomic<bool>& cancel) {
  expect(first <= last && last <= length_, ErrorKind::settings, "steps {} … {} of a request of {} steps", first, last,
         length_);
  device_time_.reset();
  std::uint32_t done = first;
  guarded([&] {
    const auto window = static_cast<std::uint32_t>(recording_->fences.size());
    std::array<std::uint32_t, most_in_flight> ends{};
    std::uint32_t submitted = first, oldest = 0, in_flight = 0;
    while (done < last) {
      const Clock::time_point start = Clock::now();
      // Once cancelled nothing more is submitted, but what is in flight is waited for: the plan stays usable.
      while (submitted < last && in_flight < window && !cancel.load()) {
        const std::uint32_t slot = (oldest + in_flight++) % window;
        ends[slot] = std::min(last, submitted + steps_a_submission());
        submit_steps(submitted, ends[slot], submitted == first, ends[slot] == last, recording_->fences[slot]);
        submitted = ends[slot];
      }
      if (in_flight == 0) break;
      device().wait(recording_->fences[oldest]);
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

std::unique_ptr<Plan> make_plan(Shared& shared, Program program, Precision precision, Fusion fusion) {
  if (fusion != Fusion::single) return std::make_unique<VulkanPlan>(shared, std::move(program), precision, fusion);
  auto plan = std::make_unique<VulkanPlan>(shared, program, precision, fusion);
  if (plan->stays_resident()) return plan;
  plan.reset();
  return std::make_unique<VulkanPlan>(shared, std::move(program), precision, Fusion::block);
}

}  // namespace dit::vulkan
