// SPDX-License-Identifier: MIT
// Kernels as Mesa's RADV compiles them for AMD's GPUs, which need not be there: RADV_FORCE_FAMILY makes a null device.
#include <gtest/gtest.h>

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
    setenv("RADV_FORCE_FAMILY", GetParam(), 1);
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
  const std::uint64_t spilled = number(values, "Spilled SGPRs") + number(values, "Spilled VGPRs");
  const std::uint64_t scratch = number(values, "Scratch size");
  EXPECT_EQ(spilled, 0u) << kernel.kernel;
  EXPECT_EQ(scratch, 0u) << kernel.kernel;
  ++counts.kernels;
  counts.spilled += spilled;
  counts.scratch += scratch;
  counts.most_registers = std::max(counts.most_registers, number(values, "VGPRs"));
  counts.shared = std::max(counts.shared, number(values, "LDS size"));
  counts.instructions += number(values, "Instructions");
  counts.least_subgroups = std::min(counts.least_subgroups, number(values, "Subgroups per SIMD"));
}

TEST_P(NullDevice, EveryKernelOfEveryModeFitsIntoRegisters) {
  const auto model = Model::open(shipped);
  int modes = 0;
  std::printf("| device | mode | kernels | VGPRs | spilled | scratch | LDS | subgroups a SIMD | instructions |\n");
  for (const Precision precision : {Precision::f32, Precision::f16, Precision::f16_matrix}) {
    for (const Fusion fusion : {Fusion::none, Fusion::op, Fusion::block, Fusion::persistent}) {
      if (!vulkan::is_served(precision, fusion)) continue;
      if (precision == Precision::f16_matrix && !std::getenv("DIT_MATRIX")) continue;  // Mesa offers none of our shape
      for (const std::uint32_t batch : {1u, 16u}) {
        const Program program = record(model->config(), {.batch = batch, .conditions = 1, .steps = 4});
        Counts counts;
        for (const auto& kernel : vulkan::kernel_statistics(model->weights(), index_, program, precision, fusion)) {
          SCOPED_TRACE(std::string(name_of(precision)) + " " + name_of(fusion));
          add(counts, kernel);
        }
        EXPECT_GT(counts.kernels, 0u) << name_of(precision) << " " << name_of(fusion);
        std::printf("| %s | %s %s, batch %u | %zu | %lu | %lu | %lu | %lu | %lu | %lu |\n", GetParam(),
                    name_of(precision), name_of(fusion), batch, counts.kernels, counts.most_registers, counts.spilled,
                    counts.scratch, counts.shared, counts.least_subgroups, counts.instructions);
        ++modes;
      }
    }
  }
  EXPECT_GE(modes, 8);
}

// RDNA 2, RDNA 3, RDNA 4; the last is known to Mesa 25.
INSTANTIATE_TEST_SUITE_P(Radv, NullDevice, ::testing::Values("navi21", "gfx1100", "gfx1201"),
                         [](const auto& instance) { return std::string(instance.param); });

}  // namespace
}  // namespace dit::test
