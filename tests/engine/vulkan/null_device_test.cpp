// SPDX-License-Identifier: MIT
// Kernels as Mesa's RADV compiles them for AMD's GPUs, which need not be there: RADV_FORCE_FAMILY makes a null device.
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <map>

#include "engine/cpu/executor.h"
#include "engine/model/model.h"
#include "engine/network/dit.h"
#include "engine/session/device.h"
#include "engine/vulkan/choose/sweep.h"
#include "engine/vulkan/compile/compile.h"
#include "tests/engine/support/devices_under_test.h"

namespace dit::test {
namespace {

const std::string shipped = DIT_SOURCE_DIR "/models/icons.safetensors";

/// The parameter is RADV's name of a family.
class NullDevice : public ::testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    const std::string family = GetParam();
    // Mesa 25 calls it by its code name.
    if (!is_known(family) && !(family == "gfx1100" && is_known("navi31")))
      GTEST_SKIP() << "this RADV does not know " << family;
    if (const std::string problem = vulkan_problem(); problem.find("loader") != std::string::npos) {
      GTEST_SKIP() << problem;
    }
    const std::vector<DeviceInfo> devices = list_devices();
    for (const DeviceInfo& device : devices) {
      if (device.problem.starts_with("a null device")) info_ = device;
    }
    if (info_.spec.empty()) GTEST_SKIP() << "no RADV here that knows " << GetParam() << " (mesa-vulkan-drivers)";
    index_ = std::stoul(info_.spec.substr(info_.spec.find(':') + 1));
  }
  void TearDown() override { unsetenv("RADV_FORCE_FAMILY"); }

  /// A family that RADV does not know ends the process, so another one is asked.
  static bool is_known(const std::string& family) {
    setenv("RADV_FORCE_FAMILY", family.c_str(), 1);
    const pid_t child = fork();
    if (child == 0) {
      list_devices();
      _exit(0);
    }
    int status = 1;
    return waitpid(child, &status, 0) == child && status == 0;
  }

  DeviceInfo info_;
  std::size_t index_ = 0;
};

TEST_P(NullDevice, IsNamedAsSuchAndNeverPaints) {
  EXPECT_FALSE(info_.hardware_gpu);
  EXPECT_NE(info_.problem.find("null device"), std::string::npos) << info_.problem;
  const auto model = Model::open(shipped);
  EXPECT_EQ(open_device("auto", model, {}, {}).executor->info().spec.find(info_.spec), std::string::npos);
  try {
    open_device(info_.spec, model, {}, {});
    FAIL() << "opened " << info_.name;
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::device);
    EXPECT_NE(std::string(error.what()).find("null device"), std::string::npos) << error.what();
  }
}

/// What a driver says of all kernels of a mode.
struct Counts {
  std::size_t kernels = 0;
  std::uint64_t most_registers = 0, spilled = 0, scratch = 0, shared = 0, instructions = 0;
  std::uint64_t least_subgroups = UINT64_MAX;  ///< of a SIMD, at once
};

std::uint64_t number(const std::map<std::string, std::string>& values, const std::string& name) {
  const auto found = values.find(name);
  EXPECT_NE(found, values.end()) << "RADV tells no '" << name << "'";
  if (found == values.end()) return UINT64_MAX;
  std::uint64_t value = UINT64_MAX;
  std::from_chars(found->second.data(), found->second.data() + found->second.size(), value);
  return value;
}

void add(Counts& counts, const vulkan::KernelStatistics& kernel) {
  const std::map<std::string, std::string> values(kernel.values.begin(), kernel.values.end());
  ++counts.kernels;
  counts.spilled += number(values, "Spilled SGPRs") + number(values, "Spilled VGPRs");
  counts.scratch += number(values, "Scratch size");
  counts.most_registers = std::max(counts.most_registers, number(values, "VGPRs"));
  counts.shared = std::max(counts.shared, number(values, "LDS size"));
  counts.instructions += number(values, "Instructions");
  counts.least_subgroups = std::min(counts.least_subgroups, number(values, "Subgroups per SIMD"));
}

/// Builds every kernel of the shipped model in a mode, and prints a row of the table in tests/README.md.
Counts counts_of(const char* family, std::size_t index, Precision precision, Fusion fusion, std::uint32_t batch) {
  const auto model = Model::open(shipped);
  const Program program = record(model->config(), {.batch = batch, .conditions = 1, .steps = 4});
  Counts counts;
  for (const auto& kernel : vulkan::kernel_statistics(model->weights(), index, program, precision, fusion))
    add(counts, kernel);
  std::printf("| %s | %s, %s, batch %u | %zu | %lu | %lu | %lu | %lu | %lu | %lu |\n", family, name_of(precision),
              name_of(fusion), batch, counts.kernels, counts.most_registers, counts.spilled, counts.scratch,
              counts.shared, counts.least_subgroups, counts.instructions);
  std::fflush(stdout);
  return counts;
}

TEST_P(NullDevice, PlainKernelsFitIntoRegisters) {
  for (const std::uint32_t batch : {1u, 16u}) {
    const Counts counts = counts_of(GetParam(), index_, Precision::f32, Fusion::op, batch);
    EXPECT_GE(counts.kernels, 10u);
    EXPECT_EQ(counts.spilled, 0u);
    EXPECT_EQ(counts.scratch, 0u);
    EXPECT_GE(counts.least_subgroups, 4u) << "of 16 that hide what memory takes";
  }
}

/// Minutes, and they spill there: counts that tell whether a change of the fused kernels betters them. That every one
/// can be built is what is tested.
TEST_P(NullDevice, FusedKernelsCanBeBuilt) {
  if (!std::getenv("DIT_TEST_ALL_FUSIONS")) GTEST_SKIP() << "minutes; DIT_TEST_ALL_FUSIONS=1 asks for them";
  for (const Precision precision : {Precision::f32, Precision::f16}) {
    for (const Fusion fusion : {Fusion::none, Fusion::op, Fusion::block, Fusion::persistent}) {
      if (!vulkan::is_served(precision, fusion) || (precision == Precision::f32 && fusion == Fusion::op)) continue;
      for (const std::uint32_t batch : {1u, 16u})
        EXPECT_GE(counts_of(GetParam(), index_, precision, fusion, batch).kernels, 10u);
    }
  }
}

// RDNA 2, RDNA 3, RDNA 4; the last is known to Mesa 25.
INSTANTIATE_TEST_SUITE_P(Radv, NullDevice, ::testing::Values("navi21", "gfx1100", "gfx1201"),
                         [](const auto& instance) { return std::string(instance.param); });

}  // namespace
}  // namespace dit::test
