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

/// What x after the first step may be off by, of its largest value. Right kernels were off by 5e-7 in f32 and by 4e-4
/// in f16 on an NVIDIA H200 (shaders/lab/2026-11-how-many-dispatches.md). The bounds leave room for other devices and
/// deeper networks, and are far below what one wrong block of sixteen values makes.
double bound_of(Precision precision) { return precision == Precision::f32 ? 5e-5 : 1e-2; }

Verdict compare(std::span<const Painted> painted, std::span<const SelfTest::Known> known, double bound) {
  Verdict verdict;
  for (std::size_t i = 0; i < known.size(); ++i) {
    const double error = relative_difference(painted[i].x, known[i].x);
    if (!(error <= bound)) {
      verdict.failure = fmt::format(
          "the first step of a known icon comes out wrong by {:.1e} of its largest value, where {:.0e} is allowed",
          error, bound);
      return verdict;
    }
    const PictureDifference first = picture_difference(painted[i].first, known[i].rgba);
    const PictureDifference last = picture_difference(painted[i].last, known[i].rgba);
    verdict.difference.share += std::max(first.share, last.share) / static_cast<double>(known.size());
    verdict.difference.largest = std::max({verdict.difference.largest, first.largest, last.largest});
  }
  return verdict;
}

}  // namespace

/// errors  unsupported
std::vector<Painted> Judge::paint(Mode mode, const SelfTest::Tried& tried) {
  const SelfTest& test = test_();
  Shared own;  // of weights that are not the opened model's
  if (test.weights != shared_.source) {
    own.device = shared_.device;
    own.pipelines = shared_.pipelines;
    own.source = test.weights;
    place_weights(*own.device, *own.source, false, own.weights);
  }
  const auto plan = make_plan(own.device ? own : shared_, tried.program, mode.precision, mode.fusion);
  expect(dynamic_cast<const VulkanPlan&>(*plan).fusion() == mode.fusion, ErrorKind::unsupported,
         "its workgroups do not stay resident");
  const PlanShape& shape = tried.program.shape;
  std::vector<Painted> icons;
  for (const Request& request : tried.requests) {
    plan->set_request(request);
    plan->prepare(never_cancelled);
    plan->run(0, 1, never_cancelled);
    Painted& icon = icons.emplace_back();
    icon.x = plan->read(tried.program.x);
    const Ticket ticket = plan->run(0, shape.steps, never_cancelled);
    icon.first.resize(4 * pixels_of(tried.program));
    icon.last.resize(icon.first.size());
    plan->read(ticket, 0, icon.first);
    plan->read(ticket, shape.batch - 1, icon.last);
  }
  return icons;
}

Verdict Judge::try_out(Mode mode, std::uint32_t batch) {
  try {
    return translated(shared_.device->info().name, [&]() -> Verdict {
      const SelfTest& test = test_();
      const SelfTest::Tried tried = test.tried(batch);
      std::string refusal = refusal_of(tried.program, target_of(*shared_.device, mode.precision, mode.fusion));
      if (!refusal.empty()) return {std::move(refusal), {}, {}};
      const std::vector<Painted> painted = paint(mode, tried);
      Verdict verdict = compare(painted, test.known(false), bound_of(mode.precision));
      // What another run has kept may be of a file that was replaced within the clock's grain.
      if (!verdict.failure.empty()) verdict = compare(painted, test.known(true), bound_of(mode.precision));
      return verdict;
    });
  } catch (const Error& error) {
    if (shared_.device->lost() || error.kind() == ErrorKind::out_of_memory) throw;
    return {{}, error.what(), {}};
  }
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
