// SPDX-License-Identifier: MIT
#include "engine/cli/commands/bench/icons.h"
#include "engine/cli/text/print.h"

#include <fmt/core.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>

#include "engine/error.h"
#include "engine/session/trial/difference.h"

namespace dit::cli {
namespace {

using Clock = std::chrono::steady_clock;
using nlohmann::json;

constexpr double longest_ms = 20e3, warm_up_ms = 200;  // of all runs of a row
constexpr std::uint32_t warm_up = 3, least_runs = 5, kernel_repeats = 20;

struct Spread {
  double median = 0, mean = 0, deviation = 0, least = 0;
};

Spread spread_of(std::vector<double> values) {
  Spread s;
  std::sort(values.begin(), values.end());
  s.median = values[values.size() / 2];
  s.least = values.front();
  for (const double v : values) s.mean += v / static_cast<double>(values.size());
  for (const double v : values) s.deviation += (v - s.mean) * (v - s.mean) / static_cast<double>(values.size());
  s.deviation = std::sqrt(s.deviation);
  return s;
}

json to_json(const Spread& s) {
  return {{"median", s.median}, {"mean", s.mean}, {"deviation", s.deviation}, {"least", s.least}};
}

/// Milliseconds of whole runs, by both clocks.
struct Times {
  std::vector<double> device, wall;
};

Times time_runs(Plan& plan, const BenchOptions& options) {
  Times times;
  const auto run = [&] {
    const Clock::time_point start = Clock::now();
    plan.run(0, options.steps, never_cancelled);
    return std::chrono::duration<double, std::milli>(Clock::now() - start).count();
  };
  // Learns how many steps go into a submission; and a GPU that was idle while kernels were built takes a while to
  // reach its clock.
  double spent = 0;
  for (std::uint32_t i = 0; i < warm_up || spent < warm_up_ms; ++i) spent += run();
  spent = 0;
  for (std::uint32_t i = 0; i < options.runs && (spent < longest_ms || i < least_runs); ++i) {
    const double ms = run();
    spent += ms;
    times.wall.push_back(ms);
    const auto time = plan.device_time();
    times.device.push_back(time ? std::chrono::duration<double, std::milli>(*time).count() : ms);
  }
  return times;
}

/// Milliseconds from one batch of a stream to the next by the wall clock: each is submitted before the one in front of
/// it is waited for, and all pictures are read.
std::vector<double> time_stream(Plan& plan, const BenchOptions& options) {
  const TensorInfo& rgba = plan.program().tensor(plan.program().rgba);
  const std::uint32_t batch = plan.program().shape.batch;
  std::vector<std::uint8_t> picture(element_count(rgba.shape) / batch);
  std::vector<IconPoint> icons(plan.icons().begin(), plan.icons().end());
  std::vector<double> wall;
  Ticket now = plan.submit(icons, 0, options.steps);
  Clock::time_point start = Clock::now();
  for (double spent = 0; wall.size() < options.runs && (spent < longest_ms || wall.size() < least_runs);) {
    for (IconPoint& icon : icons) icon.from.index += batch;
    const Ticket next = plan.submit(icons, 0, options.steps);
    plan.wait(now, options.steps, never_cancelled);
    for (std::uint32_t icon = 0; icon < batch; ++icon) plan.read(now, icon, picture);
    now = next;
    const Clock::time_point end = Clock::now();
    wall.push_back(std::chrono::duration<double, std::milli>(end - std::exchange(start, end)).count());
    spent += wall.back();
  }
  plan.drop();
  return wall;
}

class Icons {
 public:
  explicit Icons(const BenchSubject& subject) : subject_(subject), options_(subject.options) {}

  json run();

 private:
  json run_one(Precision precision, Fusion fusion, std::uint32_t batch);
  json time_kernels(Plan& plan, Precision precision);
  const std::vector<float>& expected(std::uint32_t batch);

  const BenchSubject& subject_;
  const BenchOptions& options_;
  std::map<std::uint32_t, std::vector<float>> expected_;  // of a batch: x of its ends after the plain f32 kernels
};

/// The first and the last icon of a batch: an icon is the same in every batch.
const std::vector<float>& Icons::expected(std::uint32_t batch) {
  std::vector<float>& x = expected_[batch];
  if (!x.empty()) return x;
  const auto executor =
      vulkan::open(subject_.model->weights(), options_.device, {.precision = Precision::f32, .fusion = Fusion::op});
  const auto plan = executor->plan(subject_.program(std::min(batch, 2u), options_.steps));
  Request request = subject_.request(plan->program());
  request.icons.back().from.index = request.icons.back().toward.index = batch - 1;
  plan->set_request(request);
  plan->prepare(never_cancelled);
  plan->run(0, options_.steps, never_cancelled);
  return x = plan->read(plan->program().x);
}

/// What expected() is compared with: both ends of a batch.
std::vector<float> ends_of(std::vector<float> x, std::uint32_t batch) {
  const std::size_t icon = x.size() / batch;
  if (batch > 2) x.erase(x.begin() + static_cast<std::ptrdiff_t>(icon), x.end() - static_cast<std::ptrdiff_t>(icon));
  return x;
}

json Icons::run_one(Precision precision, Fusion fusion, std::uint32_t batch) {
  const auto executor =
      vulkan::open(subject_.model->weights(), options_.device, {.precision = precision, .fusion = fusion});
  const auto plan = executor->plan(subject_.program(batch, options_.steps));
  const Request request = subject_.request(plan->program());
  plan->set_request(request);
  plan->prepare(never_cancelled);
  const Times times = time_runs(*plan, options_);
  const double error = relative_difference(ends_of(plan->read(plan->program().x), batch), expected(batch));
  const Spread device = spread_of(times.device), wall = spread_of(times.wall);
  const Spread stream = spread_of(time_stream(*plan, options_));
  Work work = work_of_step(plan->program(), sizes_in(precision));
  work.flop *= options_.steps;
  work.bytes *= options_.steps;
  const bool single = fusion == Fusion::persistent;
  const std::uint32_t dispatches = vulkan::dispatches(*plan);
  const double launches = static_cast<double>(options_.steps) * dispatches;
  const vulkan::Share share =
      vulkan::share_of(subject_.ceilings, work, device.median * 1e3, precision == Precision::f16_matrix,
                       single ? vulkan::Launches{1, launches} : vulkan::Launches{launches, 0});
  say("{:11} {:7} {:5} {:10} {:9.4f} {:9.4f} {:9.4f} {:11.4f} {:10.1f} {:8.2f} {:8.0f} {:5.1f} % {:8} {:9.1e}\n",
      name_of(precision), name_of(fusion), batch, dispatches, device.median / options_.steps, device.median / batch,
      wall.median / batch, stream.median / batch, 1e3 * batch / wall.median, work.flop / device.median * 1e-9,
      work.bytes / device.median * 1e-6, 100 * share.share, share.bound, error);
  json row = {{"precision", name_of(precision)},
              {"fusion", name_of(fusion)},
              {"batch", batch},
              {"dispatches", dispatches},
              {"device_ms", to_json(device)},
              {"wall_ms", to_json(wall)},
              {"stream_ms", to_json(stream)},
              {"runs", times.wall.size()},
              {"flop", work.flop},
              {"bytes", work.bytes},
              {"bound", share.bound},
              {"share", share.share},
              {"error", error}};
  if (options_.kernels) row["kernels"] = time_kernels(*plan, precision);
  return row;
}

/// Ops of a step whose work dispatches with this label do: the op of that name, and what is fused into it.
std::vector<Op> ops_of(const Program& program, const std::string& label, std::size_t& done) {
  std::vector<Op> ops;
  for (std::size_t i = done; i < program.step.size(); ++i) {
    ops.push_back(program.step[i]);
    if (program.step[i].label != label) continue;
    done = i + 1;
    return ops;
  }
  return {};
}

json Icons::time_kernels(Plan& plan, Precision precision) {
  const auto times = vulkan::time_launches(plan, std::min(1u, options_.steps - 1), kernel_repeats);
  json rows = json::array();
  std::size_t done = 0;  // ops of the step that a row has covered
  for (auto first = times.begin(), last = first; first != times.end(); first = last) {
    last = std::find_if(first, times.end(), [&](const auto& time) { return time.label != first->label; });
    const std::vector<Op> ops = ops_of(plan.program(), first->label, done);
    const Work work = work_of(plan.program(), ops, sizes_in(precision));
    // Of several dispatches the kernel of the op's name does the work, else the longest.
    const std::string own = ops.empty() ? "" : kernel_name(ops.back().what);
    const auto main = std::ranges::max_element(first, last, {}, [&own](const vulkan::LaunchTime& time) {
      return std::pair(time.kernel.starts_with(own), time.microseconds);
    });
    for (auto time = first; time != last; ++time) {
      const double us = time->microseconds;
      json row = {{"label", time->label}, {"kernel", time->kernel}, {"groups", time->groups}, {"microseconds", us}};
      std::string rates;
      if (!ops.empty() && time == main) {
        const vulkan::Share share =
            vulkan::share_of(subject_.ceilings, work, us, precision == Precision::f16_matrix, {1, 0});
        rates = fmt::format("{:9.1f} GB/s {:9.1f} GFLOP/s {:5.1f} % {:8}", work.bytes / us * 1e-3,
                            work.flop / us * 1e-3, 100 * share.share, share.bound);
        row.update({{"flop", work.flop}, {"bytes", work.bytes}, {"bound", share.bound}, {"share", share.share}});
      }
      say("    {:24} {:8.2f} us {:6} groups {:50} {}\n", time->label, us, time->groups, rates, time->kernel);
      rows.push_back(std::move(row));
    }
  }
  return rows;
}

json Icons::run() {
  json rows = json::array();
  say("{:11} {:7} {:5} {:>10} {:>9} {:>9} {:>9} {:>11} {:>10} {:>8} {:>8} {:>7} {:8} {:>9}\n", "precision", "fusion",
      "batch", "dispatches", "ms/step", "ms/icon", "wall/icon", "stream/icon", "icons/s", "TFLOP/s", "GB/s", "share",
      "of", "error");
  for (const std::string& precision : options_.precisions) {
    for (const std::uint32_t batch : options_.batches) {
      for (const std::string& fusion : options_.fusions) {
        try {
          rows.push_back(run_one(precision_from_name(precision), fusion_from_name(fusion), batch));
        } catch (const Error& error) {
          say("{:11} {:7} {:5} {}\n", precision, fusion, batch, error.what());
        }
        std::fflush(stdout);
      }
    }
  }
  return rows;
}

}  // namespace

json bench_icons(const BenchSubject& subject) {
  json rows = Icons(subject).run();
  expect(!rows.empty(), ErrorKind::device, "device vulkan:{}: nothing could be timed", subject.options.device);
  return rows;
}

}  // namespace dit::cli
