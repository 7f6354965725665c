// SPDX-License-Identifier: MIT
#include "engine/vulkan/run/plan.h"

#include <algorithm>

namespace dit::vulkan {
namespace {

constexpr std::uint32_t trial_barriers = 64;

}  // namespace

VulkanPlan::VulkanPlan(Shared& shared, Program program, Precision precision, Fusion fusion)
    : shared_(shared), program_(std::move(program)) {
  recording_ =
      std::make_unique<Recording>(device(), make_schedule(shared, program_, precision, fusion), program_.shape.steps);
  batch_.reserve(program_.shape.steps + 3);
  icons_.resize(program_.shape.batch);
  for (Flight& f : flights_) f.icons.resize(program_.shape.batch);
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
    for (const Buffer* buffer : {&memory().arena(), &memory().pictures(), &memory().words()})
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
    std::ranges::copy(request.icons, icons_.begin());
    put(memory().tensor(program_.condition), request.condition);
    put(memory().of({.region = Region::modulation_row}), request.modulation_row);
    put(memory().of({.region = Region::solver}), request.solver);
    put(memory().of({.region = Region::solver_row}), request.solver_row);
    memory().request().flush();
  });
}

/// They go to the device with the run. The tables stay: the device may be reading them, and to write them anew where
/// they lie in its memory would cost a good part of a short icon's time.
void VulkanPlan::set_icons(std::span<const IconPoint> icons) {
  check_icons(icons);
  std::ranges::copy(icons, icons_.begin());
}

void VulkanPlan::prepare(const std::atomic<bool>& cancel) {
  // One short submission on a GPU, so there is nothing to poll for once it is on its way.
  if (cancel.load()) throw Cancelled();
  guarded([&] {
    drop();
    device().submit(recording_->prepare(), recording_->fences()[0]);
    device().wait(recording_->fences()[0]);
  });
}

bool VulkanPlan::stays_resident() {
  return guarded([&] {
    drop();
    clear_status();
    put_range(0, {0, 0, 0, 0, trial_barriers});
    batch_.clear();
    recording_->append({}, batch_);
    device().submit(batch_, recording_->fences()[0]);
    device().wait(recording_->fences()[0]);
    try {
      check_status();
    } catch (const Error&) {
      return false;
    }
    return true;
  });
}

void VulkanPlan::check_icons(std::span<const IconPoint> icons) const {
  expect(icons.size() == program_.shape.batch, ErrorKind::settings, "icons: expected {}, found {}",
         program_.shape.batch, icons.size());
}

void VulkanPlan::check_range(std::uint32_t first, std::uint32_t last) const {
  expect(first <= last && last <= length_, ErrorKind::settings, "steps {} … {} of a request of {} steps", first, last,
         length_);
}

void VulkanPlan::start(std::span<const IconPoint> icons, std::uint32_t first, std::uint32_t last) {
  check_icons(icons);
  check_range(first, last);
  guarded([&] {
    if (first == last || flight_count_ == flights_.size()) return;
    push(icons, first, last);
    try {
      submit_more();
    } catch (...) {
      abandon();
      throw;
    }
  });
}

void VulkanPlan::run(std::uint32_t first, std::uint32_t last, const std::atomic<bool>& cancel) {
  check_range(first, last);
  device_time_.reset();
  guarded([&] {
    const bool begun = flight_count_ > 0 && flight(0).first == first && flight(0).last == last &&
                       std::ranges::equal(flight(0).icons, icons_);
    if (!begun) {
      drop();
      if (first == last) return;
      push(icons_, first, last);
    }
    Flight& f = flight(0);
    // Between what start() submitted and the rest the device may have waited for us for any time.
    const bool gap = f.submitted > f.first && f.submitted < f.last;
    try {
      while (f.done < f.last) {
        // Once cancelled nothing more is submitted, but what is in flight is waited for: the plan stays usable.
        if (!cancel.load()) submit_more();
        if (in_flight_ == 0) break;
        wait_for_oldest();
      }
      if (f.done < f.last) {
        drop();
        return;
      }
      shown_ = f.slot;
      pop();
      if (!gap) note_device_time(shown_);
      if (!cancel.load()) submit_more();
    } catch (...) {
      abandon();
      throw;
    }
  });
  if (cancel.load()) throw Cancelled();
}

void VulkanPlan::read_rgba(std::uint32_t icon, std::span<std::uint8_t> out) {
  const Place& place = memory().slot(shown_).pictures;
  const std::uint64_t size = element_count(program_.tensor(program_.rgba).shape) / program_.shape.batch;
  expect(icon < program_.shape.batch, ErrorKind::settings, "icon {} of a batch of {}", icon, program_.shape.batch);
  expect(out.size() == size, ErrorKind::settings, "icon: expected room for {} bytes, found {}", size, out.size());
  guarded([&] {
    memory().read_back().invalidate();
    std::memcpy(out.data(), place.buffer->mapped() + place.offset + icon * size, size);
  });
}

std::unique_ptr<Plan> make_plan(Shared& shared, Program program, Precision precision, Fusion fusion) {
  if (fusion != Fusion::persistent) return std::make_unique<VulkanPlan>(shared, std::move(program), precision, fusion);
  auto plan = std::make_unique<VulkanPlan>(shared, program, precision, fusion);
  if (plan->stays_resident()) return plan;
  plan.reset();
  return std::make_unique<VulkanPlan>(shared, std::move(program), precision, Fusion::block);
}

}  // namespace dit::vulkan
