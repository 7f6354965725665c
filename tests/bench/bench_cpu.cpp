// SPDX-License-Identifier: MIT
// Times the CPU executor on a network of the trial model's size: every kernel of a block at its real shape, one step
// and one icon, with one thread and with all. "peak" and "busy" are shares of the multiply-add rate measured
// just before: of wall time, and of the CPU time that the process got; embed passes 1, as guided rows share its work.
// --target=AVX2 forces a SIMD target.
#include <benchmark/benchmark.h>
#include <fmt/core.h>

#include <algorithm>
#include <cstring>
#include <ctime>
#include <string_view>
#include <thread>

#include "engine/cpu/executor.h"
#include "engine/cpu/kernels/targets.h"
#include "engine/error.h"
#include "engine/network/dit.h"
#include "tests/bench/trial_network.h"

namespace dit {
namespace {

using bench::random_weights;
using bench::request_for;
using bench::trial_config;

constexpr std::uint32_t steps = 8;

struct Bench {
  PlanShape shape{.batch = 1, .conditions = 2, .steps = steps, .guided = true};
  Program program = record(trial_config(), shape);
  std::shared_ptr<const Weights> weights = random_weights(program, DType::f32);
  double peak_gflops = cpu::measure_peak_gflops();
  std::atomic<bool> cancel{false};
};

/// Measures one loop of a benchmark. `peak` is of wall time and all threads, `busy` of the CPU time that the process
/// got.
class Timing {
 public:
  explicit Timing(const Bench& bench) : bench_(bench), start_(std::clock()) {}

  void report(benchmark::State& state, unsigned threads, std::uint64_t flops) const {
    const double cpu_ns = static_cast<double>(std::clock() - start_) * (1e9 / CLOCKS_PER_SEC);
    const double all = static_cast<double>(flops) * static_cast<double>(state.iterations());
    state.counters["GFLOP/s"] = benchmark::Counter(all * 1e-9, benchmark::Counter::kIsRate);
    state.counters["peak"] =
        benchmark::Counter(all * 1e-9 / (bench_.peak_gflops * threads), benchmark::Counter::kIsRate);
    state.counters["busy"] = all / cpu_ns / bench_.peak_gflops;
  }

 private:
  const Bench& bench_;
  std::clock_t start_;
};

void run_step(benchmark::State& state, Bench& bench, Program program, unsigned threads) {
  const std::uint64_t flops = flop_count(program, program.step);
  const auto executor = cpu::open(bench.weights, {.threads = threads});
  const auto plan = executor->plan(std::move(program));
  plan->set_request(request_for(plan->program()));
  plan->prepare(never_cancelled);
  plan->run(0, 1, bench.cancel);
  const Timing timing(bench);
  // Only the first step makes noise.
  const std::uint32_t step =
      std::holds_alternative<op::Noise>(plan->program().step.front().what) && plan->program().step.size() == 1 ? 0 : 1;
  for (auto _ : state) plan->run(step, step + 1, bench.cancel);
  timing.report(state, threads, flops);
}

void run_prepare(benchmark::State& state, Bench& bench, unsigned threads) {
  const auto executor = cpu::open(bench.weights, {.threads = threads});
  const auto plan = executor->plan(bench.program);
  plan->set_request(request_for(plan->program()));
  const Timing timing(bench);
  for (auto _ : state) plan->prepare(never_cancelled);
  timing.report(state, threads, flop_count(bench.program, bench.program.prepare));
}

void run_icon(benchmark::State& state, Bench& bench, unsigned threads) {
  const auto executor = cpu::open(bench.weights, {.threads = threads});
  const auto plan = executor->plan(bench.program);
  const Timing timing(bench);
  for (auto _ : state) {
    plan->set_request(request_for(plan->program()));
    plan->prepare(never_cancelled);
    plan->run(0, steps, bench.cancel);
  }
  const std::uint64_t step = flop_count(bench.program, bench.program.step);
  timing.report(state, threads, step * steps + flop_count(bench.program, bench.program.prepare));
}

/// The first op of each label that is not a repetition of an earlier block.
std::vector<Op> distinct_ops(const Program& program) {
  std::vector<Op> ops;
  for (const Op& op : program.step)
    if (!op.label.starts_with("blocks.") || op.label.starts_with("blocks.0.")) ops.push_back(op);
  return ops;
}

void add_all(Bench& bench) {
  const unsigned all = std::max(1u, std::thread::hardware_concurrency());
  std::vector<unsigned> counts = {1};
  if (all > 1) counts.push_back(all);
  const auto add = [](const std::string& name, auto body) {
    benchmark::RegisterBenchmark(name.c_str(), body)->UseRealTime()->Unit(benchmark::kMicrosecond);
  };
  for (const unsigned threads : counts) {
    for (const Op& op : distinct_ops(bench.program)) {
      Program one = bench.program;
      one.step = {op};
      add(fmt::format("{}/{}/threads:{}", kernel_name(op.what), op.label, threads),
          [&bench, one, threads](benchmark::State& state) { run_step(state, bench, one, threads); });
    }
    add(fmt::format("prepare/threads:{}", threads),
        [&bench, threads](benchmark::State& state) { run_prepare(state, bench, threads); });
    add(fmt::format("step/threads:{}", threads),
        [&bench, threads](benchmark::State& state) { run_step(state, bench, bench.program, threads); });
    add(fmt::format("icon/threads:{}", threads),
        [&bench, threads](benchmark::State& state) { run_icon(state, bench, threads); });
  }
}

}  // namespace
}  // namespace dit

int main(int count, char** arguments) {
  benchmark::Initialize(&count, arguments);
  if (count == 2 && std::string_view(arguments[1]).starts_with("--target=")) {
    try {
      dit::cpu::force_target(arguments[1] + std::strlen("--target="));
    } catch (const dit::Error& error) {
      fmt::print(stderr, "bench_cpu: {}\n", error.what());
      return 2;
    }
    count = 1;
  }
  if (benchmark::ReportUnrecognizedArguments(count, arguments)) return 1;
  dit::Bench bench;
  const dit::DeviceInfo device = dit::cpu::describe(0);
  fmt::print("{}; multiply-add peak of one core {:.1f} GFLOP/s\n", device.name, bench.peak_gflops);
  dit::add_all(bench);
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
  return 0;
}
