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

VulkanPlan::~VulkanPlan() {
  try {
    if (!device().stuck()) drop();
  } catch (const std::exception&) {
    // A lost device does nothing more; of one that hangs we hear below.
  }
  // What work that hangs uses must outlive it.
  if (device().stuck()) (void)recording_.release();
}

void VulkanPlan::clear() {
  device().run_once([this](const vk::raii::CommandBuffer& commands) {
    for (const Buffer* buffer : {&memory().arena(), &memory().pictures()})
      commands.fillBuffer(buffer->handle(), 0, VK_WHOLE_SIZE, 0);
  });
  for (const Buffer* buffer : {&memory().request(), &memory().read_back()}) {
    std::memset(buffer->mapped(), 0, buffer->size_bytes());
    buffer->flush();
  }
}

void VulkanPlan::set_request(const Request& request) {
  length_ = check_request(program_, request);
  guarded([&] {
    drop();
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
    drop();
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
  if (ends) batch_.push_back(*recording_->finish[(shown_ + 1) % read_back_slots]);
  device().submit(batch_, fence);
}

void VulkanPlan::check_range(std::uint32_t first, std::uint32_t last) const {
  expect(first <= last && last <= length_, ErrorKind::settings, "steps {} … {} of a request of {} steps", first, last,
         length_);
}

/// Fills the window of submissions.
void VulkanPlan::submit_more() {
  Flight& f = *flight_;
  const auto window = static_cast<std::uint32_t>(recording_->fences.size());
  while (f.submitted < f.last && f.in_flight < window) {
    const std::uint32_t slot = (f.oldest + f.in_flight) % window;
    f.ends[slot] = std::min(f.last, f.submitted + steps_a_submission());
    submit_steps(f.submitted, f.ends[slot], f.submitted == f.first, f.ends[slot] == f.last, recording_->fences[slot]);
    f.submitted = f.ends[slot];
    ++f.in_flight;
  }
}

void VulkanPlan::wait_for_oldest() {
  Flight& f = *flight_;
  device().wait(recording_->fences[f.oldest]);
  f.done = f.ends[f.oldest];
  f.oldest = (f.oldest + 1) % static_cast<std::uint32_t>(recording_->fences.size());
  --f.in_flight;
  if (schedule().icon) check_status();
}

void VulkanPlan::drop() {
  if (!flight_) return;
  try {
    while (flight_->in_flight > 0) wait_for_oldest();
  } catch (...) {
    flight_.reset();
    throw;
  }
  flight_.reset();
}

void VulkanPlan::start(std::uint32_t first, std::uint32_t last) {
  check_range(first, last);
  guarded([&] {
    drop();
    flight_ = Flight{.first = first, .last = last, .submitted = first, .done = first, .ahead = true};
    submit_more();
  });
}

void VulkanPlan::run(std::uint32_t first, std::uint32_t last, const std::atomic<bool>& cancel) {
  check_range(first, last);
  device_time_.reset();
  guarded([&] {
    if (flight_ && (flight_->first != first || flight_->last != last)) drop();
    if (!flight_) flight_ = Flight{.first = first, .last = last, .submitted = first, .done = first};
    // Between what start() submitted and the rest the device may have waited for us for any time.
    const bool gap = flight_->ahead && flight_->submitted < last;
    try {
      while (flight_->done < last) {
        const Clock::time_point start = Clock::now();
        // Once cancelled nothing more is submitted, but what is in flight is waited for: the plan stays usable.
        if (!cancel.load()) submit_more();
        if (flight_->in_flight == 0) break;
        const std::uint32_t before = flight_->done;
        wait_for_oldest();
        // What was begun ahead may have been done long ago.
        if (flight_->ahead) continue;
        step_ns_ = std::chrono::duration<double, std::nano>(Clock::now() - start).count() / (flight_->done - before);
      }
    } catch (...) {
      flight_.reset();
      throw;
    }
    const bool whole = flight_->done == last && first < last;
    flight_.reset();
    if (!whole) return;
    shown_ = (shown_ + 1) % read_back_slots;
    if (!gap) note_device_time();
  });
  if (cancel.load()) throw Cancelled();
}

void VulkanPlan::read_rgba(std::uint32_t icon, std::span<std::uint8_t> out) {
  const Place& place = memory().slot(shown_);
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
