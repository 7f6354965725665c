// SPDX-License-Identifier: MIT
#include <algorithm>
#include <bit>

#include "engine/vulkan/run/plan.h"

namespace dit::vulkan {
namespace {

// What a submission may take, so that a cancel is soon obeyed.
constexpr double submission_ns = 20e6;

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

void VulkanPlan::put_icons(std::uint32_t slot, std::span<const IconPoint> icons) const {
  Place place = memory().slot(slot).icons;
  for (const IconPoint& point : icons) {
    const IconWords words = icon_words(point);
    put(place, words);
    place.offset += sizeof(words);
  }
  place.buffer->flush();
}

void VulkanPlan::put_range(std::uint32_t slot, const std::array<std::uint32_t, RANGE_WORDS>& words) const {
  const Place& place = memory().slot(slot).range;
  put(place, words);
  place.buffer->flush();
}

void VulkanPlan::clear_status() const {
  const Place status = memory().of({Region::status});
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

/// Neither shown nor in use.
std::uint32_t VulkanPlan::free_slot() const {
  std::array<bool, run_slots> used{};
  used[shown_] = true;
  for (std::uint32_t i = 0; i < flight_count_; ++i) used[flights_[(first_flight_ + i) % flights_.size()].slot] = true;
  return static_cast<std::uint32_t>(std::ranges::find(used, false) - used.begin());
}

void VulkanPlan::push(std::span<const IconPoint> icons, std::uint32_t first, std::uint32_t last) {
  const std::uint32_t slot = free_slot();
  if (schedule().icon && flight_count_ == 0) clear_status();
  Flight& f = flight(flight_count_++);
  f.first = f.submitted = f.done = first;
  f.last = last;
  f.slot = slot;
  std::ranges::copy(icons, f.icons.begin());
}

void VulkanPlan::pop() {
  first_flight_ = (first_flight_ + 1) % static_cast<std::uint32_t>(flights_.size());
  --flight_count_;
}

/// All at once where that is quick, else powers of two, so that it stays the same when the time of a step wavers.
std::uint32_t VulkanPlan::end_of_submission(const Flight& f) const {
  const std::uint32_t rest = f.last - f.submitted;
  if (step_ns_ <= 0) return f.submitted + 1;
  const auto most = static_cast<std::uint32_t>(std::clamp(submission_ns / step_ns_, 1.0, double{UINT16_MAX}));
  return f.submitted + (most >= rest ? rest : std::bit_floor(most));
}

/// Fills the window of submissions, run by run.
void VulkanPlan::submit_more() {
  for (std::uint32_t i = 0; i < flight_count_; ++i) {
    Flight& f = flight(i);
    while (f.submitted < f.last) {
      // A persistent dispatch reads its range from the slot, which has one.
      const bool busy = schedule().icon && f.submitted > f.done;
      if (busy || in_flight_ == recording_->fences().size()) return;
      submit_next(f);
    }
  }
}

void VulkanPlan::submit_next(Flight& f) {
  if (recording_->full()) {
    while (in_flight_ > 0) wait_for_oldest();
    recording_->forget();
  }
  const Stretch stretch = {.first = f.submitted,
                           .last = end_of_submission(f),
                           .begins = f.submitted == f.first,
                           .ends = end_of_submission(f) == f.last,
                           .slot = f.slot};
  if (stretch.begins) {
    put_icons(f.slot, f.icons);
    if (recording_->tick_ns() > 0) recording_->times().reset(2 * f.slot, 2);
  }
  if (schedule().icon) {
    // Bytes are the last stage, and only the last step of a run makes them.
    const std::uint32_t stages = schedule().stages - (stretch.ends || !schedule().bytes ? 0 : 1);
    put_range(f.slot, {stretch.first, stretch.last, 0, stages, 0});
  }
  batch_.clear();
  recording_->append(stretch, batch_);
  const std::uint32_t place = (oldest_ + in_flight_) % static_cast<std::uint32_t>(recording_->fences().size());
  device().submit(batch_, recording_->fences()[place]);
  submissions_[place] = {.flight = static_cast<std::uint32_t>(&f - flights_.data()),
                         .end = stretch.last,
                         .since = Clock::now(),
                         .alone = in_flight_ == 0};
  ++in_flight_;
  f.submitted = stretch.last;
}

void VulkanPlan::wait_for_oldest() {
  const Submission& s = submissions_[oldest_];
  const vk::raii::Fence& fence = recording_->fences()[oldest_];
  Flight& f = flights_[s.flight];
  const bool waited = !device().is_done(fence);
  device().wait(fence);
  note_step_time(s, waited, s.end - f.done);
  f.done = s.end;
  oldest_ = (oldest_ + 1) % static_cast<std::uint32_t>(recording_->fences().size());
  --in_flight_;
  if (schedule().icon) check_status();
}

/// What was done before anybody waited may have been done long ago, and says nothing.
void VulkanPlan::note_step_time(const Submission& s, bool waited, std::uint32_t steps) {
  const Clock::time_point now = Clock::now(), begin = s.alone ? s.since : std::max(s.since, last_end_);
  if (waited && (s.alone || saw_end_)) step_ns_ = std::chrono::duration<double, std::nano>(now - begin).count() / steps;
  last_end_ = now;
  saw_end_ = waited;
}

void VulkanPlan::drop() {
  try {
    while (in_flight_ > 0) wait_for_oldest();
  } catch (...) {
    abandon();
    throw;
  }
  flight_count_ = 0;
}

void VulkanPlan::abandon() noexcept {
  try {
    for (; in_flight_ > 0 && !device().stuck(); --in_flight_) {
      device().wait(recording_->fences()[oldest_]);
      oldest_ = (oldest_ + 1) % static_cast<std::uint32_t>(recording_->fences().size());
    }
  } catch (const std::exception&) {
    // The device is lost or hangs: nothing more will come of the rest.
  }
  in_flight_ = flight_count_ = 0;
  saw_end_ = false;
}

}  // namespace dit::vulkan
