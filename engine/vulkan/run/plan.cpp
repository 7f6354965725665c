// SPDX-License-Identifier: MIT
#include "engine/vulkan/run/plan.h"

#include <algorithm>
#include <cstring>

#include "engine/vulkan/run/timing.h"

namespace dit::vulkan {
namespace {

constexpr std::uint32_t trial_barriers = 64;

}  // namespace

VulkanPlan::VulkanPlan(Shared& shared, Program program, Precision precision, Fusion fusion,
                       const std::atomic<bool>& cancel)
    : shared_(shared),
      program_(std::move(program)),
      kernels_(shared.pipelines->generation()),
      recording_(std::make_unique<Recording>(device(), make_schedule(shared, program_, precision, fusion, cancel),
                                             program_.shape.steps)),
      icons_(program_.shape.batch),
      runs_(program_.shape.batch),
      ring_(memory()),
      submissions_(device(), *recording_, ring_, runs_, program_.shape.steps),
      tensors_(device(), program_, schedule(), ring_) {
  clear();
}

VulkanPlan::~VulkanPlan() {
  try {
    if (!device().stuck()) submissions_.drop();
  } catch (const std::exception&) {
    // A lost device does nothing more; of one that hangs we hear below.
  }
  // What work that hangs uses must outlive it.
  if (!device().stuck()) return;
  keep_for_ever(std::shared_ptr<const void>(std::move(recording_)));
  keep_for_ever(kernels_);
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

/// The icons go to the device with each run. The tables stay: the device may be reading them, and to write them anew
/// where they lie in its memory would cost a good part of a short icon's time.
void VulkanPlan::set_request(const Request& request) {
  length_ = check_request(program_, request);
  check_sketches(program_, request.icons);
  guarded([&] {
    submissions_.drop();
    std::ranges::copy(request.icons, icons_.begin());
    put(memory().tensor(program_.condition), request.condition);
    if (program_.context != no_tensor) put(memory().tensor(program_.context), request.context);
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
    submissions_.drop();
    const vk::CommandBuffer commands = *recording_->prepare();
    submissions_.run_alone({&commands, 1});
    prepared_ = true;
  });
}

bool VulkanPlan::refresh() {
  return guarded([&] {
    shared_.pipelines->refresh();
    const std::shared_ptr<const void> now = shared_.pipelines->generation();
    if (now == kernels_) return false;
    submissions_.drop();
    recording_->record_anew();
    kernels_ = now;
    if (prepared_) prepare(never_cancelled);
    return true;
  });
}

bool VulkanPlan::stays_resident() {
  return guarded([&] {
    submissions_.drop();
    ring_.clear_status();
    ring_.put_range(0, {0, 0, 0, 0, trial_barriers});
    std::vector<vk::CommandBuffer> batch;
    recording_->append({}, batch);
    submissions_.run_alone(batch);
    try {
      ring_.check_status(device().info().name);
    } catch (const Error&) {
      return false;
    }
    return true;
  });
}

Ticket VulkanPlan::submit(std::span<const IconPoint> icons, std::uint32_t first, std::uint32_t last) {
  check_sketches(program_, icons);
  const Ticket ticket = runs_.open(icons, first, last, length_).ticket;
  guarded([&] {
    if (recording_->persistent() && runs_.count() == 1) ring_.clear_status();
    submissions_.fill();
  });
  return ticket;
}

void VulkanPlan::wait(const Ticket& ticket, std::uint32_t step, const std::atomic<bool>& cancel) {
  std::uint32_t count = runs_.to_wait_for(ticket, step);
  if (count == 0) return;
  guarded([&] {
    bool going_on = !cancel.load();
    for (; going_on && count > 0; --count) {
      device_time_.reset();
      const std::uint32_t end = count == 1 ? step : runs_[0].last;
      going_on = submissions_.finish(end, cancel);
      if (going_on && end == runs_[0].last) finish_oldest();
    }
    if (!going_on) {
      submissions_.drop();
      throw Cancelled();
    }
    // At the end of a run the device goes on with the next, while the host is busy with the pictures.
    if (ticket == runs_.shown() && !cancel.load()) submissions_.fill();
  });
}

void VulkanPlan::finish_oldest() {
  const Run& run = runs_[0];
  if (!run.paused) device_time_ = run_time(device(), *recording_, run.ticket.id);
  runs_.finish_oldest();
}

void VulkanPlan::read(const Ticket& ticket, std::uint32_t icon, std::span<std::uint8_t> out) {
  expect(program_.rgba != no_tensor, ErrorKind::unsupported, "read: expected a program with an image, found none");
  runs_.check_pictures(ticket, icon, out, element_count(program_.tensor(program_.rgba).shape) / program_.shape.batch);
  guarded([&] { ring_.get_picture(ticket.id, icon, out); });
}

void VulkanPlan::drop() {
  guarded([&] { submissions_.drop(); });
}

std::vector<float> VulkanPlan::read(TensorId id) {
  return guarded([&] {
    submissions_.drop();
    return tensors_.read(id);
  });
}

void VulkanPlan::write(TensorId id, std::span<const float> values) {
  guarded([&] {
    submissions_.drop();
    tensors_.write(id, values);
  });
}

void VulkanPlan::capture(bool prepare, std::uint32_t step, const Checkpoint& checkpoint) {
  expect(step < program_.shape.steps, ErrorKind::settings, "step {} of a plan of {} steps", step, program_.shape.steps);
  guarded([&] {
    submissions_.drop();
    runs_.forget_pictures();
    for (const LaunchedOp& op : prepare ? schedule().prepare : schedule().step)
      tensors_.capture(op, step, icons_, checkpoint);
    if (!prepare && schedule().bytes) tensors_.capture(*schedule().bytes, step, icons_, checkpoint);
  });
}

std::vector<LaunchTime> VulkanPlan::time_launches(std::uint32_t step, std::uint32_t repeats) {
  submissions_.drop();
  return vulkan::time_launches(device(), *recording_, step, repeats);
}

std::unique_ptr<Plan> make_plan(Shared& shared, Program program, Precision precision, Fusion fusion,
                                const std::atomic<bool>& cancel) {
  if (fusion != Fusion::persistent)
    return std::make_unique<VulkanPlan>(shared, std::move(program), precision, fusion, cancel);
  auto plan = std::make_unique<VulkanPlan>(shared, program, precision, fusion, cancel);
  if (plan->stays_resident()) return plan;
  plan.reset();
  return std::make_unique<VulkanPlan>(shared, std::move(program), precision, Fusion::block, cancel);
}

}  // namespace dit::vulkan
