// SPDX-License-Identifier: MIT
#include "engine/vulkan/choose/self_test.h"

#include <algorithm>
#include <array>
#include <utility>
#include <vector>

#include "engine/vulkan/run/plan.h"
#include "engine/vulkan/run/weights.h"

namespace dit::vulkan {
namespace {

constexpr Mode plain = {Precision::f32, Fusion::op};

std::string text_of(Mode mode) {
  return fmt::format("precision {}, fusion {}", name_of(mode.precision), name_of(mode.fusion));
}

/// The mode and all that stand in for it, best first; the plain kernels last.
std::vector<Mode> fall_backs(Mode wanted) {
  constexpr std::array precisions = {Precision::f16_matrix, Precision::f16, Precision::f32};
  constexpr std::array fusions = {Fusion::persistent, Fusion::block, Fusion::op};
  const bool none = wanted.fusion == Fusion::none;  // nothing falls back to it
  std::vector<Mode> modes;
  for (auto p = std::ranges::find(precisions, wanted.precision); p != precisions.end(); ++p) {
    if (none && is_served(*p, Fusion::none)) modes.push_back({*p, Fusion::none});
    for (auto f = std::ranges::find(fusions, none ? Fusion::op : wanted.fusion); f != fusions.end(); ++f) {
      if (is_served(*p, *f)) modes.push_back({*p, *f});
    }
  }
  return modes;
}

std::string compute(Shared& shared, Mode mode, const SelfTest& test) {
  place_weights(*shared.device, *test.weights, false, shared.weights);
  const auto plan = make_plan(shared, test.program, mode.precision, mode.fusion);
  if (dynamic_cast<const VulkanPlan&>(*plan).fusion() != mode.fusion) return "its workgroups do not stay resident";
  plan->set_request(test.request);
  plan->prepare(never_cancelled);
  plan->run(0, test.program.shape.steps, never_cancelled);
  const double error = error_of(test, plan->read(test.program.x)), bound = self_test_bound(mode.precision);
  if (error <= bound) return {};
  return fmt::format("a known picture comes out wrong by {:.1e} of its largest value, where {:.0e} is allowed", error,
                     bound);
}

}  // namespace

std::string failure_of(const Shared& shared, Mode mode, const SelfTest& test) {
  // Who edits kernels wants to see what they do; and what they did must not count for those that were built in.
  if (mode == plain || shared.pipelines->from_sources()) return {};
  const std::string key = shared.device->identity() + " " + text_of(mode);
  const std::lock_guard lock(test.passed->mutex);
  if (test.passed->modes.contains(key)) return {};
  Shared own;
  own.device = shared.device;
  own.pipelines = shared.pipelines;
  own.source = test.weights;
  std::string failure;
  try {
    failure = translated(shared.device->info().name, [&] { return compute(own, mode, test); });
  } catch (const Error& error) {
    if (shared.device->lost() || error.kind() == ErrorKind::out_of_memory) throw;
    failure = error.what();
  }
  if (failure.empty()) test.passed->modes.insert(key);
  return failure;
}

Trusted trusted_mode(const Shared& shared, Mode wanted, const SelfTest& test) {
  std::string first;
  for (const Mode mode : fall_backs(wanted)) {
    const std::string failure = failure_of(shared, mode, test);
    if (first.empty()) first = failure;
    if (!failure.empty()) continue;
    if (first.empty()) return {mode, {}};
    return {mode, fmt::format("{}: {} fails its self-test: {}; {} is used instead", shared.device->info().name,
                              text_of(wanted), first, text_of(mode))};
  }
  return {plain, {}};  // not reached: the plain kernels are not judged
}

}  // namespace dit::vulkan
