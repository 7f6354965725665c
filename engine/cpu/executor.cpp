// SPDX-License-Identifier: MIT
#include "engine/cpu/executor.h"

#include <unistd.h>

#include <fstream>

#include "engine/cores.h"
#include "engine/cpu/kernels/int8.h"
#include "engine/cpu/kernels/targets.h"
#include "engine/cpu/memory.h"
#include "engine/cpu/plan.h"
#include "engine/error.h"

namespace dit::cpu {
namespace {

std::string processor_name() {
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);) {
    const std::size_t colon = line.find(": ");
    if (line.starts_with("model name") && colon != std::string::npos) return line.substr(colon + 2);
  }
  return "CPU";  // Arm64 kernels give numbers only.
}

/// Caches of the first core. sysconf() is no source: glibc multiplies the last level on some processors.
void add_caches(DeviceInfo& info) {
  const auto read = [](int index, const char* what) {
    std::string value;
    std::getline(std::ifstream(fmt::format("/sys/devices/system/cpu/cpu0/cache/index{}/{}", index, what)), value);
    return value;
  };
  for (int index = 0; index < 8; ++index) {
    const std::string level = read(index, "level"), type = read(index, "type"), size = read(index, "size");
    if (level.empty() || size.empty() || type == "Instruction") continue;
    info.limits.emplace_back(fmt::format("L{} cache", level), size);
  }
}

class CpuExecutor final : public Executor {
 public:
  /// threads  0 = one a core, or as many of them as the system gives
  CpuExecutor(std::shared_ptr<const Weights> weights, unsigned threads, bool int8, bool expand)
      : weights_(std::move(weights), expand),
        pool_(threads == 0 ? available_cores() : threads,
              threads == 0 ? ThreadPool::Shortage::fewer_will_do : ThreadPool::Shortage::is_an_error),
        info_(describe(pool_.size())),
        int8_(int8) {
    info_.precision = int8 ? "int8" : "f32";
  }

  const DeviceInfo& info() const noexcept override { return info_; }
  std::unique_ptr<Plan> plan(Program program, const std::atomic<bool>&) override {
    try {
      return std::make_unique<CpuPlan>(std::move(program), weights_, pool_, int8_);
    } catch (const std::bad_alloc&) {
      fail(ErrorKind::out_of_memory, "CPU plan: expected more host memory, found none left");
    }
  }

 private:
  WeightStore weights_;
  ThreadPool pool_;
  DeviceInfo info_;
  bool int8_;
};

}  // namespace

DeviceInfo describe(unsigned threads) {
  const unsigned cores = available_cores();
  if (threads == 0) threads = cores;
  DeviceInfo info;
  info.spec = "cpu";
  info.name = fmt::format("{}, {} thread{}, {}", processor_name(), threads, threads == 1 ? "" : "s", target());
  info.memory_bytes = host_memory_bytes();
  info.limits.emplace_back("cores", fmt::format("{}", cores));
  info.limits.emplace_back("threads", fmt::format("{}", threads));
  info.limits.emplace_back("SIMD", target());
  add_caches(info);
  return info;
}

std::unique_ptr<Executor> open(std::shared_ptr<const Weights> weights, const DeviceOptions& options) {
  const bool int8 = options.precision == Precision::int8;
  expect(int8 || options.precision == Precision::automatic || options.precision == Precision::f32,
         ErrorKind::unsupported, "precision '{}': expected auto, f32 or int8 on the CPU", name_of(options.precision));
  expect(!int8 || int8_usable(), ErrorKind::unsupported,
         "precision 'int8': expected a processor with AVX-512 VNNI or Arm's dot products, found {}", processor_name());
  expect(!int8 || !options.expand_weights, ErrorKind::unsupported,
         "precision 'int8': multiplies integers, expected weights that are not expanded");
  return std::make_unique<CpuExecutor>(std::move(weights), options.threads, int8, options.expand_weights);
}

}  // namespace dit::cpu
