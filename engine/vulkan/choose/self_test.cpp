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

std::string text_of(const PictureDifference& difference) {
  return fmt::format("{:.2g} % of pixels off by more than 1 of 255, the farthest by {}", 100 * difference.share,
                     difference.largest);
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

/// What x after the first step may be off by, of its largest value. Right kernels were off by 5e-7 in f32 and by 4e-4
/// in f16 on an NVIDIA H200 (shaders/lab/2026-11-how-many-dispatches.md). The bounds leave room for other devices and
/// deeper networks, and are far below what one wrong block of sixteen values makes.
double bound_of(Precision precision) { return precision == Precision::f32 ? 5e-5 : 1e-2; }

/// Of the first icon of a batch and the last, which are the same.
PictureDifference compare_pictures(Plan& plan, const Ticket& ticket, std::span<const std::uint8_t> expected) {
  PictureDifference difference;
  std::vector<std::uint8_t> rgba(expected.size());
  for (const std::uint32_t icon : {0u, plan.program().shape.batch - 1}) {
    plan.read(ticket, icon, rgba);
    const PictureDifference found = picture_difference(rgba, expected);
    difference = {std::max(difference.share, found.share), std::max(difference.largest, found.largest)};
  }
  return difference;
}

}  // namespace

/// errors  unsupported: it computes wrong
void Judge::expect_right(Mode mode, std::uint32_t batch, Verdict& verdict, bool anew) {
  const SelfTest& test = test_();
  SelfTest::Tried tried = test.tried(batch);
  verdict.refusal = refusal_of(tried.program, target_of(*shared_.device, mode.precision, mode.fusion));
  if (!verdict.refusal.empty()) return;
  const std::vector<SelfTest::Known>& known = test.known(anew);
  Shared own;  // of weights that are not the opened model's
  if (test.weights != shared_.source) {
    own.device = shared_.device;
    own.pipelines = shared_.pipelines;
    own.source = test.weights;
    place_weights(*own.device, *own.source, false, own.weights);
  }
  const TensorId x = tried.program.x;
  const std::uint32_t steps = tried.program.shape.steps;
  const auto plan =
      make_plan(own.device ? own : shared_, std::move(tried.program), mode.precision, mode.fusion, never_cancelled);
  expect(dynamic_cast<const VulkanPlan&>(*plan).fusion() == mode.fusion, ErrorKind::unsupported,
         "its workgroups do not stay resident");
  for (std::size_t i = 0; i < known.size(); ++i) {
    plan->set_request(tried.requests[i]);
    plan->prepare(never_cancelled);
    plan->run(0, 1, never_cancelled);
    const double error = relative_difference(plan->read(x), known[i].x);
    expect(error <= bound_of(mode.precision), ErrorKind::unsupported,
           "the first step of a known icon comes out wrong by {:.1e} of its largest value, where {:.0e} is allowed",
           error, bound_of(mode.precision));
    if (known[i].rgba.empty()) continue;
    const PictureDifference found = compare_pictures(*plan, plan->run(0, steps, never_cancelled), known[i].rgba);
    verdict.difference.share += found.share / static_cast<double>(known.size());
    verdict.difference.largest = std::max(verdict.difference.largest, found.largest);
  }
}

Verdict Judge::try_out(Mode mode, std::uint32_t batch) {
  std::string failure;
  // What another run has kept may be of a file that was replaced within the clock's grain.
  for (const bool anew : {false, true}) {
    Verdict verdict;
    try {
      translated(shared_.device->info().name, [&] { expect_right(mode, batch, verdict, anew); });
      return verdict;
    } catch (const Error& error) {
      if (shared_.device->lost() || error.kind() == ErrorKind::out_of_memory) throw;
      failure = error.what();
    }
  }
  return {{}, failure, {}};
}

const Verdict& Judge::judge(Mode mode, std::uint32_t batch) {
  static const Verdict right;
  // Who edits kernels wants to see what they do; and what they did must not count for those that were built in.
  if (mode == plain || !test_ || shared_.pipelines->from_sources()) return right;
  const auto found = verdicts_.find({mode, batch});
  if (found != verdicts_.end()) return found->second;
  return verdicts_.emplace(std::pair(mode, batch), try_out(mode, batch)).first->second;
}

Trusted Judge::trusted(Mode wanted) {
  std::string first;
  for (const Mode mode : fall_backs(wanted)) {
    const std::string& failure = judge(mode, 1).failure;
    if (first.empty()) first = failure;
    if (!failure.empty()) continue;
    if (first.empty()) return {mode, {}, {}};
    return {mode,
            fmt::format("{}: {} fails its self-test: {}; {} is used instead", shared_.device->info().name,
                        text_of(wanted), first, text_of(mode)),
            {}};
  }
  return {plain, {}, {}};  // not reached: the plain kernels are not judged
}

Fusion Judge::fusion_of(Precision precision) {
  const Device& device = *shared_.device;
  if (precision == Precision::f32 && !device.abilities().stages) return Fusion::op;
  const Fusion fastest = fastest_fusion(device.table(), precision, 1);
  if (!test_ || Mode{precision, fastest} == plain) return fastest;
  return automatic_fusion(test_().tried(1).program, target_of(device, precision, fastest));
}

std::string Judge::objection_to(Mode mode) {
  const Verdict& verdict = judge(mode, 1);
  if (!verdict.refusal.empty()) return "does not serve the model: " + verdict.refusal;
  if (!verdict.failure.empty()) return "fails its self-test: " + verdict.failure;
  return looks_the_same(verdict.difference) ? "" : "has " + text_of(verdict.difference);
}

Trusted Judge::automatic(std::span<const Precision> precisions, Fusion fusion) {
  std::string note;
  for (const Precision precision : precisions) {
    if (!test_ || shared_.pipelines->from_sources() || !is_served(precision, fusion)) continue;
    std::string first;
    for (const Mode mode : fall_backs({precision, fusion == Fusion::automatic ? fusion_of(precision) : fusion})) {
      if (mode.precision != precision) break;
      const std::string objection = objection_to(mode);
      if (objection.empty())
        return {
            mode, {}, note + fmt::format("precision {}, {}", name_of(precision), text_of(judge(mode, 1).difference))};
      if (first.empty()) first = objection;
    }
    note += fmt::format("{} {}; ", name_of(precision), first);
  }
  if (!note.empty()) note += "precision f32";
  return {{Precision::f32, fusion}, {}, note};
}

}  // namespace dit::vulkan
