// SPDX-License-Identifier: MIT
#include "engine/vulkan/executor.h"

#include <utility>

#include "engine/vulkan/choose/tuning.h"
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
    mode_.precision = chosen(options.precision);
    mode_.fusion = chosen(mode_.precision, options.fusion);
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
    if (options.fusion == Fusion::automatic && is_tuned(info())) tuning_ = Tuning{test, TuningFile()};
    shared_.device->note_choice(name_of(mode_.precision), name_of(tuning_ ? Fusion::automatic : mode_.fusion),
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

  std::unique_ptr<Plan> plan(Program program, const std::atomic<bool>& cancel) override {
    auto plan = translated("plan on " + info().name, [&] {
      Fusion fusion = mode_.fusion;
      if (tuning_) fusion = tuned_fusion(shared_, program, mode_, tuning_->test, tuning_->file, cancel);
      return make_plan(shared_, std::move(program), mode_.precision, fusion);
    });
    shared_.pipelines->keep();
    return plan;
  }

 private:
  /// Of an automatic fusion.
  struct Tuning {
    SelfTestSource test;
    TuningFile file;
  };

  Mode mode_;
  std::optional<Tuning> tuning_;
  Shared shared_;
};

}  // namespace

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
