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
                 std::shared_ptr<const Weights> weights, const DeviceOptions& options, const SelfTestSource& test) {
    shared_.device = std::move(device);
    shared_.pipelines = std::move(pipelines);
    shared_.source = weights;
    // Automatic is the exact path: an icon must be the same on every device. f16 is faster and is chosen by name.
    mode_.precision = options.precision == Precision::automatic ? Precision::f32 : options.precision;
    automatic_ = options.fusion == Fusion::automatic;
    mode_.fusion = automatic_ ? fastest(1) : options.fusion;
    expect_served(mode_.precision, mode_.fusion);
    expect(mode_.precision != Precision::f16_matrix || shared_.device->abilities().matrices != MatrixExtension::none,
           ErrorKind::unsupported,
           "{}: precision f16-matrix needs 16x16x16 matrices of f16 summed in f32 (VK_KHR_cooperative_matrix or "
           "VK_NV_cooperative_matrix)",
           info().name);
    std::string warning;
    if (test && mode_ != Mode{}) {
      Trusted trusted = trusted_mode(shared_, mode_, test());
      mode_ = trusted.mode;
      warning = std::move(trusted.warning);
    }
    test_ = test;
    // Another precision than the wanted one has other fusions; what stands in for one that fails is not left again.
    automatic_ = automatic_ && warning.empty();
    const bool varies = automatic_ && fastest(1) != fastest(UINT32_MAX);
    shared_.device->note_choice(name_of(mode_.precision), name_of(varies ? Fusion::automatic : mode_.fusion),
                                std::move(warning));
    shared_.pipelines->keep();  // those of the self-test
    place_weights(*shared_.device, *weights, options.expand_weights, shared_.weights);
  }

  ~VulkanExecutor() override {
    // Pipelines of work that hangs must outlive it; the device is kept for ever then.
    if (shared_.device->stuck()) (void)new std::shared_ptr<Pipelines>(shared_.pipelines);
  }

  const DeviceInfo& info() const noexcept override { return shared_.device->info(); }
  bool lost() const noexcept override { return shared_.device->lost(); }
  bool refreshes() const noexcept override { return shared_.pipelines->from_sources(); }
  Notice notice() const override { return shared_.pipelines->notice(); }

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
  /// By the table, for a program that all kernels serve.
  Fusion fastest(std::uint32_t batch) const {
    if (mode_.precision == Precision::f32 && !shared_.device->abilities().stages) return Fusion::op;
    return fastest_fusion(table_of(shared_.device->device_class()), mode_.precision, batch);
  }

  /// Of an automatic fusion what the table says, if it computes right here.
  Fusion fusion_for(const Program& program) const {
    if (!automatic_ || mode_ == Mode{}) return mode_.fusion;
    const Fusion fusion = automatic_fusion(program, target_of(*shared_.device, mode_.precision, mode_.fusion));
    if (fusion == mode_.fusion || !test_) return fusion;
    return failure_of(shared_, {mode_.precision, fusion}, test_()).empty() ? fusion : mode_.fusion;
  }

  Mode mode_;
  bool automatic_ = false;
  SelfTestSource test_;
  Shared shared_;
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
  expect(options.precision != Precision::int8, ErrorKind::unsupported,
         "precision 'int8': Vulkan serves auto, f32, f16 and f16-matrix");
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

Fusion fusion(const Plan& plan) { return dynamic_cast<const VulkanPlan&>(plan).fusion(); }

std::uint32_t dispatches(const Plan& plan) { return dispatches(dynamic_cast<const VulkanPlan&>(plan).schedule()); }

}  // namespace dit::vulkan
