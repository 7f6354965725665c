// SPDX-License-Identifier: MIT
#include "engine/vulkan/executor.h"

#include <algorithm>
#include <charconv>
#include <utility>

#include "engine/vulkan/choose/self_test.h"
#include "engine/vulkan/device/instance.h"
#include "engine/vulkan/run/plan.h"
#include "engine/vulkan/run/timing.h"
#include "engine/vulkan/run/weights.h"

namespace dit::vulkan {
namespace {

class VulkanExecutor : public Executor {
 public:
  VulkanExecutor(std::shared_ptr<Device> device, std::shared_ptr<Pipelines> pipelines,
                 std::shared_ptr<const Weights> weights, const DeviceOptions& options, const SelfTestSource& test)
      : test_(test), automatic_(options.fusion == Fusion::automatic), judge_(shared_, test_) {
    shared_.device = std::move(device);
    shared_.pipelines = std::move(pipelines);
    shared_.source = std::move(weights);
    expect(options.precision != Precision::f16_matrix || shared_.device->abilities().matrices != MatrixExtension::none,
           ErrorKind::unsupported,
           "{}: precision f16-matrix needs 16x16x16 matrices of f16 summed in f32 (VK_KHR_cooperative_matrix or "
           "VK_NV_cooperative_matrix)",
           info().name);
    place_weights(*shared_.device, *shared_.source, options.expand_weights, shared_.weights);
    Trusted chosen = choose(options);
    mode_ = chosen.mode;
    // What stands in for one that fails is not left again.
    automatic_ = automatic_ && chosen.warning.empty();
    const bool varies = automatic_ && fastest_of_many() != mode_.fusion;
    shared_.device->note_choice(name_of(mode_.precision), name_of(varies ? Fusion::automatic : mode_.fusion),
                                std::move(chosen.warning), std::move(chosen.note));
    shared_.pipelines->keep();  // those of the self-test
  }

  ~VulkanExecutor() override {
    // Pipelines of work that hangs must outlive it; the device is kept for ever then.
    if (shared_.device->stuck()) keep_for_ever(shared_.pipelines);
  }

  const DeviceInfo& info() const noexcept override { return shared_.device->info(); }
  bool lost() const noexcept override { return shared_.device->lost(); }
  bool refreshes() const noexcept override { return shared_.pipelines->from_sources(); }
  Notice notice() const override { return shared_.pipelines->notice(); }
  const std::string& identity() const { return shared_.device->identity(); }

  std::unique_ptr<Plan> plan(Program program, const std::atomic<bool>& cancel) override {
    auto plan = translated("plan on " + info().name, [&] {
      if (cancel.load()) throw Cancelled();
      const Fusion fusion = fusion_for(program);
      return make_plan(shared_, std::move(program), mode_.precision, fusion, cancel);
    });
    shared_.pipelines->keep();
    return plan;
  }

 private:
  Trusted choose(const DeviceOptions& options) {
    Mode wanted = {options.precision, options.fusion};
    std::string note;
    if (wanted.precision == Precision::automatic) {
      const bool matrices = shared_.device->abilities().matrices != MatrixExtension::none;
      Trusted chosen = judge_.automatic(automatic_precisions(shared_.device->table(), matrices), options.fusion);
      wanted = chosen.mode;
      note = std::move(chosen.note);
    }
    if (wanted.fusion == Fusion::automatic) wanted.fusion = judge_.fusion_of(wanted.precision);
    expect_served(wanted.precision, wanted.fusion);
    Trusted chosen = judge_.trusted(wanted);
    chosen.note = std::move(note);
    return chosen;
  }

  Fusion fastest_of_many() const {
    if (mode_.fusion == Fusion::op) return Fusion::op;  // all that serves the model, or the device
    return fastest_fusion(shared_.device->table(), mode_.precision, UINT32_MAX);
  }

  /// Of an automatic fusion what the table says, if it computes right here.
  Fusion fusion_for(const Program& program) {
    if (!automatic_ || mode_ == Mode{}) return mode_.fusion;
    const Fusion fusion = automatic_fusion(program, target_of(*shared_.device, mode_.precision, mode_.fusion));
    if (fusion == mode_.fusion) return fusion;
    return judge_.judge({mode_.precision, fusion}, program.shape.batch).failure.empty() ? fusion : mode_.fusion;
  }

  SelfTestSource test_;
  bool automatic_ = false;
  Mode mode_;
  Shared shared_;
  Judge judge_;
};

}  // namespace

std::vector<DeviceInfo> describe() {
  const std::shared_ptr<Instance> instance = make_instance(false);
  return translated("Vulkan devices", [&] {
    std::vector<DeviceInfo> result;
    for (const auto& device : vk::raii::PhysicalDevices(instance->handle)) {
      result.push_back(describe_device(device, result.size()));
    }
    return result;
  });
}

Target device_target(const std::string& spec, Precision precision, Fusion fusion, const Program& program) {
  constexpr std::string_view prefix = "vulkan:";
  const std::string_view digits = std::string_view(spec).substr(std::min(spec.size(), prefix.size()));
  std::size_t index = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), index);
  expect(spec.starts_with(prefix) && error == std::errc() && end == digits.data() + digits.size(), ErrorKind::settings,
         "device '{}': expected a class of devices or vulkan:<index>, see dit devices", spec);
  const std::shared_ptr<Device> device = open_device(index);
  const bool automatic = fusion == Fusion::automatic;
  Target target = target_of(*device, precision, automatic ? Fusion::block : fusion);
  if (automatic) target.fusion = automatic_fusion(program, target);
  return target;
}

std::unique_ptr<Executor> open(std::shared_ptr<const Weights> weights, std::size_t index, const DeviceOptions& options,
                               const SelfTestSource& test) {
  expect(options.precision <= Precision::f16_matrix, ErrorKind::unsupported,
         "precision '{}': Vulkan serves auto, f32, f16 and f16-matrix", name_of(options.precision));
  std::shared_ptr<Device> device = open_device(index);
  return translated("Vulkan device " + std::to_string(index), [&] {
    auto pipelines = std::make_shared<Pipelines>(*device);
    return open_on(device, std::move(pipelines), std::move(weights), options, test);
  });
}

std::unique_ptr<Executor> open_on(std::shared_ptr<Device> device, std::shared_ptr<Pipelines> pipelines,
                                  std::shared_ptr<const Weights> weights, const DeviceOptions& options,
                                  const SelfTestSource& test) {
  return std::make_unique<VulkanExecutor>(std::move(device), std::move(pipelines), std::move(weights), options, test);
}

std::vector<LaunchTime> time_launches(Plan& plan, std::uint32_t step, std::uint32_t repeats) {
  return dynamic_cast<VulkanPlan&>(plan).time_launches(step, repeats);
}

const std::string& identity(const Executor& executor) {
  return dynamic_cast<const VulkanExecutor&>(executor).identity();
}

Fusion fusion(const Plan& plan) { return dynamic_cast<const VulkanPlan&>(plan).fusion(); }

std::uint32_t dispatches(const Plan& plan) { return dispatches(dynamic_cast<const VulkanPlan&>(plan).schedule()); }

}  // namespace dit::vulkan
