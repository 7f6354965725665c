// SPDX-License-Identifier: MIT
#include "engine/vulkan/choose/tuning.h"

#include <algorithm>
#include <chrono>

#include "engine/vulkan/run/plan.h"
#include "shaders/spirv.h"

namespace dit::vulkan {
namespace {

using Clock = std::chrono::steady_clock;
using Milliseconds = std::chrono::duration<double, std::milli>;

// To be raised when what C++ decides of a dispatch changes: tiles, stages, workgroups. Kernels speak for themselves.
constexpr int version = 5;

// A run that is timed takes about so long, or one step. All candidates together take the budget and one run more.
constexpr double run_ms = 20;
constexpr std::size_t most_runs = 7;
constexpr double candidate_ms = 200, budget_ms = 1000;
constexpr unsigned most_unfinished = 2;
// Not worth a second look: a run that takes so many times the best.
constexpr double hopeless = 1.5;

std::string key_of(const Shared& shared, const Program& program, Precision precision) {
  static const std::uint64_t kernels = [] {
    std::uint64_t sum = checksum({});
    for (const std::string_view name : spirv_names()) {
      const auto bytes = std::as_bytes(spirv(name));
      sum = checksum({reinterpret_cast<const char*>(bytes.data()), bytes.size()}, sum);
    }
    return sum;
  }();
  // What the plain kernels read is what the file holds.
  std::string weights;
  for (const Op& op : program.step) {
    if (const auto* product = std::get_if<op::GatedLinearAdd>(&op.what)) {
      const auto found = shared.weights.tensors.find(program.tensor(product->weight).name);
      if (found != shared.weights.tensors.end()) weights = name_of(found->second.dtype);
    }
  }
  const bool matrix = precision == Precision::f16_matrix;
  return fmt::format("{} {}{} {} weights {} kernels {}.{:016x}", shared.device->identity(), name_of(precision),
                     matrix ? suffix(shared.device->abilities().matrices) : "", shape_key(program),
                     weights.empty() ? "none" : weights, version, kernels);
}

std::vector<Fusion> candidates(const Device& device, Mode usual) {
  std::vector<Fusion> fusions = {usual.fusion};
  for (const Fusion fusion : {Fusion::block, Fusion::single, Fusion::op, Fusion::none}) {
    if (fusion == usual.fusion) continue;
    // A software device takes a minute to build a persistent dispatch, for nothing: it has no dispatches to save.
    if (fusion == Fusion::single && device.info().software) continue;
    fusions.push_back(fusion);
  }
  return fusions;
}

/// Values do not matter, as long as none is infinite.
Request request_for(const Program& program, std::uint32_t steps) {
  const PlanShape& shape = program.shape;
  Request request;
  request.icons.resize(shape.batch);
  if (program.condition != no_tensor) {
    request.condition.resize(std::size_t{steps} * shape.conditions * program.tensor(program.condition).shape[1]);
  }
  SolverRow row;
  row.a = row.b[0] = 0.5f;
  request.solver.assign(steps, row);
  for (std::uint32_t step = 0; step < steps; ++step) {
    request.solver_row.insert(request.solver_row.end(), shape.batch, step);
    request.modulation_row.insert(request.modulation_row.end(), shape.rows(), step * shape.conditions);
  }
  return request;
}

class Tuner {
 public:
  Tuner(Shared& shared, const Program& program, Mode usual, const std::atomic<bool>& cancel)
      : shared_(shared), program_(program), usual_(usual), cancel_(cancel) {}

  /// Milliseconds a step of all that the device runs, within the budget.
  std::vector<std::pair<Fusion, double>> measure();

 private:
  std::optional<double> time_of(Fusion fusion);
  double run(Plan& plan, std::uint32_t steps);

  Shared& shared_;
  const Program& program_;
  Mode usual_;
  const std::atomic<bool>& cancel_;
  double best_ = 0, spent_ = 0;
};

/// Milliseconds a step of a run.
double Tuner::run(Plan& plan, std::uint32_t steps) {
  const Clock::time_point start = Clock::now();
  plan.run(0, steps, cancel_);
  const double wall = Milliseconds(Clock::now() - start).count();
  spent_ += wall;
  const auto device = plan.device_time();
  return (device ? Milliseconds(*device).count() : wall) / steps;
}

/// Nothing where this fusion does not serve the program, or this device.
std::optional<double> Tuner::time_of(Fusion fusion) {
  const auto plan = make_plan(shared_, program_, usual_.precision, fusion);
  if (dynamic_cast<const VulkanPlan&>(*plan).fusion() != fusion) return {};
  const std::uint32_t most = program_.shape.steps;
  plan->set_request(request_for(program_, most));
  plan->prepare(cancel_);
  // The first run warms up: a driver may have put off some of its work until then.
  const double cold = run(*plan, 1);
  if (best_ > 0 && cold > candidate_ms && cold > 4 * best_) return cold;
  const double one = run(*plan, 1);
  const auto steps = static_cast<std::uint32_t>(std::clamp(run_ms / std::max(one, 1e-3), 1.0, double(most)));
  const double second = run(*plan, steps);
  if (best_ > 0 && second > hopeless * best_) return second;
  std::vector<double> times;
  for (double spent = 0; times.size() < most_runs && (times.empty() || spent < candidate_ms);) {
    times.push_back(run(*plan, steps));
    spent += times.back() * steps;
  }
  std::sort(times.begin(), times.end());
  return times[times.size() / 2];
}

std::vector<std::pair<Fusion, double>> Tuner::measure() {
  std::vector<std::pair<Fusion, double>> times;
  const std::vector<std::shared_ptr<const PackedWeights>> packed = shared_.packed;
  for (const Fusion fusion : candidates(*shared_.device, usual_)) {
    if (cancel_.load()) throw Cancelled();
    if (spent_ > budget_ms) break;
    try {
      if (const auto time = translated(shared_.device->info().name, [&] { return time_of(fusion); })) {
        times.emplace_back(fusion, *time);
        if (best_ <= 0 || *time < best_) best_ = *time;
      }
    } catch (const Error&) {
      // This fusion does not serve the program, or there is no memory for it.
      if (shared_.device->lost()) throw;
    }
    shared_.packed = packed;  // weights as this candidate reads them
  }
  return times;
}

}  // namespace

Fusion tuned_fusion(Shared& shared, const Program& program, Mode usual, const SelfTestSource& test,
                    const TuningFile& file, const std::atomic<bool>& cancel) {
  const auto accepted = [&](Fusion fusion) {
    return !test || failure_of(shared, {usual.precision, fusion}, test()).empty();
  };
  const std::string key = key_of(shared, program, usual.precision);
  const std::vector<Fusion> served = candidates(*shared.device, usual);
  if (const std::optional<Tuned> known = file.recall(key); known && std::ranges::count(served, known->fusion) > 0) {
    return accepted(known->fusion) ? known->fusion : usual.fusion;
  }
  // A kernel that takes the device down, or the driver with the process, does so twice at most.
  const unsigned unfinished = file.unfinished(key);
  if (unfinished >= most_unfinished) return usual.fusion;
  file.note_unfinished(key, unfinished + 1);
  try {
    Tuned tuned = {usual.fusion, Tuner(shared, program, usual, cancel).measure()};
    for (const Fusion fusion : by_speed(tuned.milliseconds, usual.fusion)) {
      if (cancel.load()) throw Cancelled();
      if (!accepted(fusion)) continue;
      tuned.fusion = fusion;
      break;
    }
    if (tuned.milliseconds.empty()) {
      file.note_unfinished(key, unfinished);  // a plan says why no fusion serves
    } else {
      file.remember(key, tuned);
    }
    return tuned.fusion;
  } catch (const std::exception&) {
    if (!shared.device->lost()) file.note_unfinished(key, unfinished);
    throw;
  }
}

}  // namespace dit::vulkan
