// SPDX-License-Identifier: MIT
// The executors that a test runs on: the CPU always, Vulkan where a driver is found.
#pragma once

#include <gtest/gtest.h>

#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

#include "engine/cpu/executor.h"
#include "engine/error.h"
#include "engine/vulkan/executor.h"

namespace dit::test {

/// Why there is no Vulkan to test on; empty if there is. DIT_TEST_VULKAN=<index> picks a device.
inline std::string vulkan_problem() {
  try {
    for (const DeviceInfo& device : vulkan::describe()) {
      if (device.problem.empty()) return {};
    }
    return "no usable Vulkan device";
  } catch (const Error& error) {
    return error.what();
  }
}

inline std::size_t vulkan_index() {
  const char* wanted = std::getenv("DIT_TEST_VULKAN");
  return wanted ? std::strtoul(wanted, nullptr, 10) : 0;
}

/// Whether the Vulkan device under test is really the CPU, where whole icons take too long.
inline bool vulkan_is_software() { return vulkan::describe().at(vulkan_index()).software; }

inline std::unique_ptr<Executor> open_executor(const std::string& kind, std::shared_ptr<const Weights> weights) {
  return kind == "cpu" ? cpu::open(std::move(weights), {.threads = 2})
                       : vulkan::open(std::move(weights), vulkan_index());
}

/// A test parametrised by executor; skips, saying why, where there is none.
class ExecutorTest : public ::testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    if (GetParam() != "vulkan") return;
    const std::string problem = vulkan_problem();
    if (!problem.empty()) GTEST_SKIP() << "Vulkan: " << problem;
  }
};

}  // namespace dit::test
