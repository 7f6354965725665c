// SPDX-License-Identifier: MIT
// `dit bench`: times whole icons in every way a Vulkan device can run them, beside their error, and
// every dispatch by the device's own clock, as shares of what the device can do at most.
#include "engine/cli/commands/bench/bench.h"
#include "engine/cli/text/lists.h"
#include "engine/cli/text/numbers.h"
#include "engine/cli/text/print.h"

#include <fmt/chrono.h>
#include <fmt/core.h>

#include <ctime>
#include <nlohmann/json.hpp>

#include "engine/cli/commands/bench/ceilings.h"
#include "engine/cli/commands/bench/icons.h"
#include "engine/cli/commands/bench/sweep.h"
#include "engine/cli/commands/commands.h"
#include "engine/error.h"
#include "engine/files/new_file.h"
#include "engine/model/json_text.h"
#include "engine/network/conditioning.h"
#include "engine/network/dit.h"

namespace dit::cli {
namespace {

using nlohmann::json;

void run(const BenchOptions& options) {
  if (!options.json.empty()) expect_writable(options.json);
  const auto devices = vulkan::describe();
  expect(options.device < devices.size(), ErrorKind::device, "device vulkan:{}: there are {}", options.device,
         devices.size());
  const DeviceInfo& info = devices[options.device];
  const auto model = Model::open(options.model);
  say("{} ({}), model {}, {} steps, medians of up to {} runs\n", info.name, info.driver, model->config().name,
      options.steps, options.runs);
  std::fflush(stdout);
  const BenchSubject subject = {options, model, vulkan::measure_ceilings(options.device)};
  json all = {{"date", fmt::format("{:%Y-%m-%dT%H:%M:%SZ}", fmt::gmtime(std::time(nullptr)))},
              {"device", info.name},
              {"driver", info.driver},
              {"model", model->config().name},
              {"steps", options.steps},
              {"ceilings", bench_ceilings(subject)}};
  std::fflush(stdout);
  all["results"] = bench_icons(subject);
  if (options.statistics) all["statistics"] = bench_statistics(subject);
  if (options.sweep) all["sweep"] = bench_sweep(subject);
  if (options.json.empty()) return;
  NewFile file(options.json);
  file.write(json_text(all, 1) + "\n");
  file.finish();
}

}  // namespace

Program BenchSubject::program(std::uint32_t batch, std::uint32_t steps) const {
  return record(model->config(), {.batch = batch, .steps = steps});
}

Request BenchSubject::request(const Program& program) const {
  const PlanShape& shape = program.shape;
  const Conditioning conditioning(model);
  Request request;
  std::vector<double> t;
  for (const SolverStep& step : solver_table(model->config(), Sampler::euler, shape.steps, 1)) {
    t.push_back(step.t);
    request.solver.push_back(step.row);
  }
  const std::vector<Label> labels = {parse_label(model->config(), "", "")};
  request.condition = conditioning.table(t, labels);
  request.context = conditioning.contexts(labels);
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

void add_bench(CLI::App& app) {
  auto options = std::make_shared<BenchOptions>();
  CLI::App* command = app.add_subcommand("bench", "Time icons on a Vulkan device, every precision and fusion");
  command->add_option("model", options->model, "Weight file")->option_text("FILE")->required();
  command->add_option("--vulkan", options->device, "Index of the device, as 'dit devices' lists it")
      ->option_text("NUMBER")
      ->check(whole_number(0, 999));
  const BenchOptions all;
  add_list(*command, "--precision", options->precisions, "Precisions to time, such as f32,f16", one_of(all.precisions))
      ->option_text("NAMES");
  add_list(*command, "--fusion", options->fusions, "Fusions to time, such as op,block", one_of(all.fusions))
      ->option_text("NAMES");
  add_list(*command, "--batch", options->batches, "Icons at a time, such as 1,16", whole_number(1, 1024))
      ->option_text("NUMBERS");
  command->add_option("--steps", options->steps, "Steps an icon")->option_text("NUMBER")->check(whole_number(1, 1000));
  command->add_option("--runs", options->runs, "Timed runs")->option_text("NUMBER")->check(whole_number(1, 100000));
  command->add_flag("--kernels", options->kernels, "Time every dispatch of a step too");
  command->add_flag("--sweep", options->sweep,
                    "Run every product with every tile and size of workgroup (minutes for each precision and batch)");
  add_list(*command, "--workgroups", options->range.workgroups,
           "Invocations of a workgroup, for --sweep: of 64, 128, 256, 512, 1024",
           one_of({"64", "128", "256", "512", "1024"}))
      ->option_text("NUMBERS");
  command->add_flag("--statistics", options->statistics,
                    "Print what the driver tells of the kernels: registers, spilled bytes");
  command->add_option("--json", options->json, "File for the results")->option_text("FILE");
  command->footer(
      "Examples:\n"
      "  dit bench models/icons.safetensors --precision f32 --fusion op --batch 1,16\n"
      "  dit bench models/icons.safetensors --vulkan 1 --statistics");
  command->callback([options] { run(*options); });
}

}  // namespace dit::cli
