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

/// What a kind of executor asks of Vulkan: "vulkan" nothing, "vulkan_block_f16" that fusion and precision; "matrix" is
/// f16-matrix.
inline DeviceOptions vulkan_options(const std::string& kind) {
  DeviceOptions options = {.precision = Precision::f32, .fusion = Fusion::op};
  const std::size_t fusion = kind.find('_');
  if (fusion == std::string::npos) return options;
  const std::size_t precision = kind.find('_', fusion + 1);
  const std::string name = kind.substr(precision + 1);
  options.fusion = fusion_from_name(kind.substr(fusion + 1, precision - fusion - 1));
  options.precision = precision_from_name(name == "matrix" ? "f16-matrix" : name);
  return options;
}

inline std::unique_ptr<Executor> open_executor(const std::string& kind, std::shared_ptr<const Weights> weights) {
  return kind == "cpu" ? cpu::open(std::move(weights), {.threads = 2})
                       : vulkan::open(std::move(weights), vulkan_index(), vulkan_options(kind));
}

/// How far results of a kind may be from exact ones, where f32 may be 1e-5 away: f16 rounds every activation.
inline double bound_of(const std::string& kind, double f32_bound = 1e-5) {
  return kind.ends_with("_f16") || kind.ends_with("_matrix") ? std::max(f32_bound, 4e-3) : f32_bound;
}

/// Every way to run a step on Vulkan besides the plain one. A software device takes minutes to compile them all, so
/// they are asked for: DIT_TEST_ALL_FUSIONS=1, as on every machine with a GPU.
inline std::vector<std::string> fused_kinds() {
  std::vector<std::string> kinds;
  if (!std::getenv("DIT_TEST_ALL_FUSIONS")) return kinds;
  for (const char* precision : {"f32", "f16", "matrix"}) {
    for (const char* fusion : {"none", "op", "block", "single"}) {
      const std::string kind = std::string("vulkan_") + fusion + "_" + precision;
      if (kind != "vulkan_op_f32") kinds.push_back(kind);
    }
  }
  return kinds;
}

/// Why a kind cannot be tested here; empty if it can.
inline std::string problem_of(const std::string& kind) {
  if (kind == "cpu") return {};
  if (const std::string problem = vulkan_problem(); !problem.empty()) return "Vulkan: " + problem;
  if (kind == "vulkan") return {};
  try {
    open_executor(kind, std::make_shared<Weights>());
    return {};
  } catch (const Error& error) {
    return error.what();
  }
}

/// A test parametrised by executor; skips, saying why, where there is none.
class ExecutorTest : public ::testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    if (const std::string problem = problem_of(GetParam()); !problem.empty()) GTEST_SKIP() << problem;
  }
};

}  // namespace dit::test
