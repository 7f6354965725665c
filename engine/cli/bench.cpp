// SPDX-License-Identifier: MIT
// `dit bench`: times whole icons in every way a Vulkan device can run them, beside their error, and
// every dispatch by the device's own clock.
#include <fmt/chrono.h>
#include <fmt/core.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <ctime>
#include <fstream>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "engine/cli/commands.h"
#include "engine/cli/model_path.h"
#include "engine/conditioning.h"
#include "engine/dit.h"
#include "engine/error.h"
#include "engine/vulkan/executor.h"

namespace dit::cli {
namespace {

using Clock = std::chrono::steady_clock;
using nlohmann::json;

struct BenchOptions {
  std::string model;
  std::size_t device = 0;
  std::vector<std::string> precisions = {"f32", "f16", "f16-matrix"};
  std::vector<std::string> fusions = {"none", "op", "block", "single"};
  std::vector<std::uint32_t> batches = {1, 8, 64};
  std::uint32_t steps = 32;
  std::uint32_t runs = 50;
  bool kernels = false;
  std::string json;
};

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

/// Icons 0 … B−1 of seed 1 by Euler steps without guidance, the model's first style.
Request request_of(const Model& model, const Program& program) {
  const PlanShape& shape = program.shape;
  const Conditioning conditioning(std::shared_ptr<const Model>(&model, [](const Model*) {}));
  Request request;
  std::vector<double> t;
  for (const SolverStep& step : solver_table(model.config(), Sampler::euler, shape.steps, 1)) {
    t.push_back(step.t);
    request.solver.push_back(step.row);
  }
  const std::vector<Label> labels = {parse_label(model.config(), "", "")};
  request.condition = conditioning.table(t, labels);
  for (std::uint32_t b = 0; b < shape.batch; ++b) {
    IconPoint point;
    point.from = point.toward = {1, b};
    request.icons.push_back(point);
  }
  for (std::uint32_t s = 0; s < shape.steps; ++s) {
    request.modulation_row.insert(request.modulation_row.end(), shape.rows(), s);
    request.solver_row.insert(request.solver_row.end(), shape.batch, s);
  }
  return request;
}

/// Bytes that a step must move at least: every weight once, every activation of the recorded ops written and read once.
double step_bytes(const Program& program, bool half) {
  double bytes = 0;
  std::vector<bool> weight(program.tensors.size());
  for (const Op& op : program.step) {
    if (const auto* o = std::get_if<op::Embed>(&op.what)) weight[o->weight] = true;
    if (const auto* o = std::get_if<op::ModulatedLinear>(&op.what)) weight[o->weight] = true;
    if (const auto* o = std::get_if<op::GatedLinearAdd>(&op.what)) weight[o->weight] = true;
    if (const auto* o = std::get_if<op::Final>(&op.what)) weight[o->weight] = true;
    bytes += 2.0 * static_cast<double>(element_count(program.tensor(output_of(op.what)).shape)) * (half ? 2 : 4);
  }
  for (std::size_t i = 0; i < weight.size(); ++i) {
    if (weight[i]) bytes += static_cast<double>(element_count(program.tensors[i].shape)) * (half ? 2 : 4);
  }
  return bytes;
}

double worst_difference(const std::vector<float>& a, const std::vector<float>& b) {
  double worst = 0, largest = 0;
  for (std::size_t i = 0; i < b.size(); ++i) {
    const double d = std::fabs(static_cast<double>(a[i]) - b[i]);
    if (!(d <= worst)) worst = d;
    largest = std::max(largest, std::fabs(static_cast<double>(b[i])));
  }
  return worst / largest;
}

class Bench {
 public:
  Bench(const BenchOptions& options, std::shared_ptr<const Model> model)
      : options_(options), model_(std::move(model)) {}

  void run();

 private:
  void run_one(Precision precision, Fusion fusion, std::uint32_t batch);
  void print_kernels(Plan& plan, json& row);
  const std::vector<float>& expected();

  const BenchOptions& options_;
  std::shared_ptr<const Model> model_;
  std::vector<float> expected_;  // x after the plain f32 kernels, batch 1
  json rows_ = json::array();
};

/// The first icon, which is the same in every batch.
const std::vector<float>& Bench::expected() {
  if (!expected_.empty()) return expected_;
  const auto executor =
      vulkan::open(model_->weights(), options_.device, {.precision = Precision::f32, .fusion = Fusion::op});
  const auto plan = executor->plan(record(model_->config(), {.batch = 1, .steps = options_.steps}));
  plan->set_request(request_of(*model_, plan->program()));
  plan->prepare(never_cancelled);
  plan->run(0, options_.steps, never_cancelled);
  return expected_ = plan->read(plan->program().x);
}

void Bench::run_one(Precision precision, Fusion fusion, std::uint32_t batch) {
  const auto executor = vulkan::open(model_->weights(), options_.device, {.precision = precision, .fusion = fusion});
  const auto plan = executor->plan(record(model_->config(), {.batch = batch, .steps = options_.steps}));
  plan->set_request(request_of(*model_, plan->program()));
  plan->prepare(never_cancelled);
  std::vector<double> device_ms, wall_ms;
  double spent = 0;
  for (std::uint32_t i = 0; i < options_.runs + 3 && (spent < 20e3 || i < 8); ++i) {
    const Clock::time_point start = Clock::now();
    plan->run(0, options_.steps, never_cancelled);
    const double ms = std::chrono::duration<double, std::milli>(Clock::now() - start).count();
    spent += ms;
    if (i < 3) continue;  // warms up, and learns how many steps go into a submission
    wall_ms.push_back(ms);
    const auto time = plan->device_time();
    device_ms.push_back(time ? std::chrono::duration<double, std::milli>(*time).count() : ms);
  }
  std::vector<float> x = plan->read(plan->program().x);
  x.resize(x.size() / batch);
  const double error = worst_difference(x, expected());
  const Spread device = spread_of(device_ms), wall = spread_of(wall_ms);
  const double flops = static_cast<double>(flop_count(plan->program(), plan->program().step)) * options_.steps;
  const double bytes = step_bytes(plan->program(), precision != Precision::f32) * options_.steps;
  fmt::print("{:11} {:7} {:5} {:10} {:9.4f} {:9.4f} {:9.4f} {:10.1f} {:8.2f} {:8.0f} {:9.1e}\n", name_of(precision),
             name_of(fusion), batch, vulkan::dispatches(*plan), device.median / options_.steps, device.median / batch,
             wall.median / batch, 1e3 * batch / wall.median, flops / device.median * 1e-9, bytes / device.median * 1e-6,
             error);
  json row = {{"precision", name_of(precision)},
              {"fusion", name_of(fusion)},
              {"batch", batch},
              {"dispatches", vulkan::dispatches(*plan)},
              {"device_ms", to_json(device)},
              {"wall_ms", to_json(wall)},
              {"runs", wall_ms.size()},
              {"flop", flops},
              {"bytes", bytes},
              {"error", error}};
  if (options_.kernels) print_kernels(*plan, row);
  rows_.push_back(row);
}

void Bench::print_kernels(Plan& plan, json& row) {
  for (const vulkan::LaunchTime& time : vulkan::time_launches(plan, std::min(1u, options_.steps - 1), 20)) {
    fmt::print("    {:24} {:8.2f} us {:6} groups  {}\n", time.label, time.microseconds, time.groups, time.kernel);
    row["kernels"].push_back(
        {{"label", time.label}, {"kernel", time.kernel}, {"groups", time.groups}, {"microseconds", time.microseconds}});
  }
}

void Bench::run() {
  const auto devices = vulkan::describe();
  expect(options_.device < devices.size(), ErrorKind::device, "device vulkan:{}: there are {}", options_.device,
         devices.size());
  const DeviceInfo& info = devices[options_.device];
  fmt::print("{} ({}), model {}, {} steps, medians of up to {} runs\n", info.name, info.driver, model_->config().name,
             options_.steps, options_.runs);
  fmt::print("{:11} {:7} {:5} {:>10} {:>9} {:>9} {:>9} {:>10} {:>8} {:>8} {:>9}\n", "precision", "fusion", "batch",
             "dispatches", "ms/step", "ms/icon", "wall/icon", "icons/s", "TFLOP/s", "GB/s", "error");
  for (const std::string& precision : options_.precisions) {
    for (const std::uint32_t batch : options_.batches) {
      for (const std::string& fusion : options_.fusions) {
        try {
          run_one(precision_from_name(precision), fusion_from_name(fusion), batch);
        } catch (const Error& error) {
          fmt::print("{:11} {:7} {:5} {}\n", precision, fusion, batch, error.what());
        }
        std::fflush(stdout);
      }
    }
  }
  if (options_.json.empty()) return;
  const json all = {{"date", fmt::format("{:%Y-%m-%dT%H:%M:%SZ}", fmt::gmtime(std::time(nullptr)))},
                    {"device", info.name},
                    {"driver", info.driver},
                    {"model", model_->config().name},
                    {"steps", options_.steps},
                    {"results", rows_}};
  std::ofstream(options_.json) << all.dump(1) << '\n';
}

}  // namespace

void add_bench(CLI::App& app) {
  auto options = std::make_shared<BenchOptions>();
  CLI::App* command = app.add_subcommand("bench", "Time icons on a Vulkan device, every precision and fusion");
  command->add_option("model", options->model, "weight file")->required();
  command->add_option("--vulkan", options->device, "index of the device, as `dit devices` lists it");
  command->add_option("--precision", options->precisions, "precisions to time")->delimiter(',');
  command->add_option("--fusion", options->fusions, "fusions to time")->delimiter(',');
  command->add_option("--batch", options->batches, "icons at a time")->delimiter(',');
  command->add_option("--steps", options->steps, "steps an icon")->check(CLI::Range(1, 1000));
  command->add_option("--runs", options->runs, "timed runs")->check(CLI::Range(1, 100000));
  command->add_flag("--kernels", options->kernels, "time every dispatch of a step too");
  command->add_option("--json", options->json, "file for the results");
  command->callback([options] { Bench(*options, Model::open(options->model)).run(); });
}

}  // namespace dit::cli
