// SPDX-License-Identifier: MIT
// Times the Vulkan executor on a network of the trial model's size: one step and one icon of eight steps, with f32 and
// f16 weights, for one icon and for sixteen at a time. Wall time, submit and wait included. --vulkan=<index> picks the
// device.
#include <benchmark/benchmark.h>
#include <fmt/core.h>

#include <cstdlib>
#include <string_view>

#include "engine/error.h"
#include "engine/network/dit.h"
#include "engine/vulkan/executor.h"
#include "tests/bench/trial_network.h"

namespace dit {
namespace {

using bench::random_weights;
using bench::request_for;
using bench::trial_config;

constexpr std::uint32_t steps = 8;

void run(benchmark::State& state, std::size_t device, DType dtype, std::uint32_t batch, bool icon) {
  const Program program = record(trial_config(), {.batch = batch, .conditions = 2, .steps = steps, .guided = true});
  const auto executor = vulkan::open(random_weights(program, dtype), device);
  const auto plan = executor->plan(program);
  const std::atomic<bool> cancel{false};
  plan->set_request(request_for(program));
  plan->prepare(never_cancelled);
  plan->run(0, 2, cancel);
  for (auto _ : state) plan->run(icon ? 0 : 1, icon ? steps : 2, cancel);
  const double flops = static_cast<double>(flop_count(program, program.step)) * (icon ? steps : 1);
  state.counters["GFLOP/s"] =
      benchmark::Counter(flops * 1e-9 * static_cast<double>(state.iterations()), benchmark::Counter::kIsRate);
}

void register_all(std::size_t device) {
  for (const DType dtype : {DType::f32, DType::f16}) {
    for (const std::uint32_t batch : {1u, 16u}) {
      for (const bool icon : {false, true}) {
        const std::string name = fmt::format("{}/{}/batch:{}", icon ? "icon" : "step", name_of(dtype), batch);
        benchmark::RegisterBenchmark(name.c_str(),
                                     [=](benchmark::State& state) { run(state, device, dtype, batch, icon); })
            ->UseRealTime()
            ->Unit(benchmark::kMillisecond);
      }
    }
  }
}

}  // namespace
}  // namespace dit

int main(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  std::size_t device = 0;
  for (int i = 1; i < argc; ++i) {
    const std::string_view argument = argv[i];
    if (argument.starts_with("--vulkan=")) device = std::strtoul(argument.substr(9).data(), nullptr, 10);
  }
  try {
    const auto devices = dit::vulkan::describe();
    dit::expect(device < devices.size(), dit::ErrorKind::device, "Vulkan device {}: there are {}", device,
                devices.size());
    fmt::print("{} ({}, Vulkan {})\n", devices[device].name, devices[device].driver, devices[device].api);
    dit::register_all(device);
    benchmark::RunSpecifiedBenchmarks();
  } catch (const dit::Error& error) {
    fmt::print(stderr, "bench_vulkan: {}\n", error.what());
    return 1;
  }
}
