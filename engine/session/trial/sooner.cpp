// SPDX-License-Identifier: MIT
#include "engine/session/trial/sooner.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstring>
#include <limits>
#include <optional>
#include <utility>

namespace dit {
namespace {

using Times = std::array<double, 2>;  // seconds an icon: GPU, CPU

std::optional<Times> kept_times(const CacheFolder& folder, const std::string& name) {
  const std::optional<std::string> bytes = folder.read(name);
  if (!bytes || bytes->size() != sizeof(Times)) return {};
  Times times;
  std::memcpy(times.data(), bytes->data(), sizeof(Times));
  return times;
}

void keep_times(const CacheFolder& folder, const std::string& name, const Times& times) {
  folder.write(name, {reinterpret_cast<const char*>(times.data()), sizeof(Times)});
}

}  // namespace

double seconds_an_icon(Executor& executor, const SelfTest& test, std::uint32_t batch, int runs,
                       const std::atomic<bool>& cancel) {
  using Clock = std::chrono::steady_clock;
  const SelfTest::Tried tried = test.tried(batch);
  const auto plan = executor.plan(tried.program, cancel);
  plan->set_request(tried.requests.front());
  plan->prepare(cancel);
  plan->run(0, tried.program.shape.steps, cancel);
  double best = std::numeric_limits<double>::infinity();
  for (int i = 0; i < runs; ++i) {
    const auto start = Clock::now();
    plan->run(0, tried.program.shape.steps, cancel);
    best = std::min(best, std::chrono::duration<double>(Clock::now() - start).count());
  }
  return best / batch;
}

OpenedDevice sooner(const std::function<OpenedDevice()>& open_gpu, const std::function<OpenedDevice()>& open_cpu,
                    const SelfTestSource& test, const std::string& key, const CacheFolder& folder) {
  const std::string name = fmt::format("sooner-{:016x}.bin", checksum(key));
  const std::optional<Times> kept = kept_times(folder, name);
  const auto told = [](OpenedDevice winner, const Times& times) {
    winner.note +=
        fmt::format("; an icon takes {:.1f} ms on the GPU and {:.1f} ms on the CPU", 1e3 * times[0], 1e3 * times[1]);
    return winner;
  };
  if (kept) return told((*kept)[1] < (*kept)[0] ? open_cpu() : open_gpu(), *kept);
  OpenedDevice gpu = open_gpu();
  try {
    OpenedDevice cpu = open_cpu();
    const Times times = {seconds_an_icon(*gpu.executor, test()), seconds_an_icon(*cpu.executor, test())};
    keep_times(folder, name, times);
    return told(std::move(times[1] < times[0] ? cpu : gpu), times);
  } catch (const Error& error) {
    gpu.note += fmt::format("; the CPU cannot be used: {}", error.what());
    return gpu;
  }
}

}  // namespace dit
