// SPDX-License-Identifier: MIT
#include "engine/cpu/executor.h"

#include <unistd.h>

#include <fstream>

#include "engine/cores.h"
#include "engine/cpu/kernels/int8.h"
#include "engine/cpu/kernels/pairs/pairs.h"
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

DType product_of(Precision precision) {
  if (precision == Precision::int8) return DType::i8;
  if (precision == Precision::bf16) return DType::bf16;
  return precision == Precision::int16 ? DType::i16 : DType::f32;
}

/// What a precision needs of the processor; empty where it is there.
std::string missing(Precision precision) {
  if (precision == Precision::int8 && !int8_usable()) return "AVX-512 VNNI or Arm's dot products";
  if (precision == Precision::bf16 && !bf16_usable()) return "AVX512_BF16 or Arm's BF16";
  if (precision == Precision::int16 && !int16_usable()) return "AVX-512 VNNI or AVX-VNNI";
  return "";
}

class CpuExecutor final : public Executor {
 public:
  /// threads  0 = one a core, or as many of them as the system gives
  CpuExecutor(std::shared_ptr<const Weights> weights, unsigned threads, Precision precision, bool expand)
      : weights_(std::move(weights), expand),
        pool_(threads == 0 ? available_cores() : threads,
              threads == 0 ? ThreadPool::Shortage::fewer_will_do : ThreadPool::Shortage::is_an_error),
        info_(describe(pool_.size())),
        product_(product_of(precision)) {
    info_.precision = name_of(precision);
  }

  const DeviceInfo& info() const noexcept override { return info_; }
  std::unique_ptr<Plan> plan(Program program, const std::atomic<bool>&) override {
    try {
      return std::make_unique<CpuPlan>(std::move(program), weights_, pool_, product_);
    } catch (const std::bad_alloc&) {
      fail(ErrorKind::out_of_memory, "CPU plan: expected more host memory, found none left");
    }
  }

 private:
  WeightStore weights_;
  ThreadPool pool_;
  DeviceInfo info_;
  DType product_;
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

bool serves(Precision precision) noexcept {
  if (precision == Precision::automatic || precision == Precision::f32) return true;
  return product_of(precision) != DType::f32 && missing(precision).empty();
}

std::unique_ptr<Executor> open(std::shared_ptr<const Weights> weights, const DeviceOptions& options) {
  const Precision precision = options.precision == Precision::automatic ? Precision::f32 : options.precision;
  const char* name = name_of(precision);
  expect(precision == Precision::f32 || product_of(precision) != DType::f32, ErrorKind::unsupported,
         "precision '{}': expected auto, f32, bf16, int16 or int8 on the CPU", name);
  const std::string wanted = missing(precision);
  expect(wanted.empty(), ErrorKind::unsupported, "precision '{}': expected a processor with {}, found {}", name, wanted,
         processor_name());
  expect(precision != Precision::int8 || !options.expand_weights, ErrorKind::unsupported,
         "precision 'int8': multiplies integers, expected weights that are not expanded");
  return std::make_unique<CpuExecutor>(std::move(weights), options.threads, precision, options.expand_weights);
}

}  // namespace dit::cpu
