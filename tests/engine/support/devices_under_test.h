// SPDX-License-Identifier: MIT
// The executors that a test runs on: the CPU always, Vulkan where a driver is found.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

#include "engine/cpu/executor.h"
#include "engine/error.h"
#include "engine/vulkan/executor.h"

namespace dit::test {

/// Why there is no Vulkan to test on; empty if there is. DIT_TEST_VULKAN=<index> picks a device.
std::string vulkan_problem();

std::size_t vulkan_index();

/// Whether the Vulkan device under test is really the CPU, where whole icons take too long.
bool vulkan_is_software();

/// What a kind of executor asks of Vulkan: "vulkan" nothing, "vulkan_block_f16" that fusion and precision; "matrix" is
/// f16-matrix.
DeviceOptions vulkan_options(const std::string& kind);

/// "cpu" or a kind of Vulkan. Executors of Vulkan share one device and its kernels: not for two threads.
/// errors  as cpu::open, vulkan::open
std::unique_ptr<Executor> open_executor(const std::string& kind, std::shared_ptr<const Weights> weights);

/// How far results of a kind may be from exact ones, where f32 may be 1e-5 away: f16 rounds every activation.
inline double bound_of(const std::string& kind, double f32_bound = 1e-5) {
  return kind.ends_with("_f16") || kind.ends_with("_matrix") ? std::max(f32_bound, 4e-3) : f32_bound;
}

/// Destroys that device, after the last test: what a driver keeps for it would look like a leak of ours.
void close_vulkan();

/// Every way to run a step on Vulkan besides the plain one. A software device takes minutes to compile them all, so
/// they are asked for: DIT_TEST_ALL_FUSIONS=1, as on every machine with a GPU.
std::vector<std::string> fused_kinds();

/// Why a kind cannot be tested here; empty if it can.
std::string problem_of(const std::string& kind);

/// A test parametrised by executor; skips, saying why, where there is none.
class ExecutorTest : public ::testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    if (const std::string problem = problem_of(GetParam()); !problem.empty()) GTEST_SKIP() << problem;
  }
};

}  // namespace dit::test
