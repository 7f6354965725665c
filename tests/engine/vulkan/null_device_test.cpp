// SPDX-License-Identifier: MIT
// Kernels as Mesa's RADV compiles them for AMD's GPUs, which need not be there: RADV_FORCE_FAMILY makes a null device.
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <iterator>
#include <map>
#include <sstream>
#include <vector>

#include "engine/cpu/executor.h"
#include "engine/model/model.h"
#include "engine/network/dit.h"
#include "engine/session/device.h"
#include "engine/vulkan/choose/sweep.h"
#include "engine/vulkan/compile/compile.h"
#include "shaders/common/stage.h"
#include "tests/engine/support/assembly.h"
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
  // Of loops of products, where the driver prints its code: the smallest share that multiplies and adds, and what they
  // spill.
  double least_share = 1;
  std::size_t products = 0, scratch_in_products = 0;
};

/// Multiplications and additions that a turn of a loop has at least if it is that of a product; attention has fewer.
constexpr std::size_t product_loop = 32;

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
  // Of stages only products, whose word is the first behind the constants of the kernel.
  std::istringstream words(kernel.kernel);
  const std::vector<std::string> key(std::istream_iterator<std::string>(words), {});
  const bool stage = key.front().starts_with("dispatch");
  if (stage && key.at(1 + STAGE_CONSTANTS) != std::to_string(STAGE_PRODUCT)) return;
  const InstructionCounts loop = busiest_loop(kernel.assembly);
  if (loop.multiply_adds < product_loop) return;
  ++counts.products;
  counts.least_share = std::min(counts.least_share, loop.share());
  counts.scratch_in_products += loop.scratch;
}

/// Builds every kernel of the shipped model in a mode, as for a GPU of so many compute units, and prints a row of the
/// table in tests/README.md.
Counts counts_of(const char* family, std::size_t index, Precision precision, Fusion fusion, std::uint32_t batch) {
  constexpr std::uint32_t compute_units = 60;
  const auto model = Model::open(shipped);
  const Program program = record(model->config(), {.batch = batch, .conditions = 1, .steps = 4});
  Counts counts;
  for (const auto& kernel :
       vulkan::kernel_statistics(model->weights(), index, program, precision, fusion, compute_units))
    add(counts, kernel);
  std::printf("| %s | %s, %s, batch %u | %zu | %lu | %lu | %lu | %lu | %lu | %lu | ", family, name_of(precision),
              name_of(fusion), batch, counts.kernels, counts.most_registers, counts.spilled, counts.scratch,
              counts.shared, counts.least_subgroups, counts.instructions);
  if (counts.products > 0) {
    std::printf("%.0f %% |\n", 100 * counts.least_share);
  } else {
    std::printf("- |\n");
  }
  std::fflush(stdout);
  return counts;
}

/// Loops of products, where there is code to be read: of gfx1201 Mesa prints none.
void expect_busy(const Counts& counts, double share) {
  if (counts.products == 0) return;
  EXPECT_GE(counts.products, 4u);
  EXPECT_GE(counts.least_share, share);
  EXPECT_EQ(counts.scratch_in_products, 0u);
}

TEST_P(NullDevice, PlainKernelsFitIntoRegisters) {
  for (const std::uint32_t batch : {1u, 16u}) {
    const Counts counts = counts_of(GetParam(), index_, Precision::f32, Fusion::op, batch);
    EXPECT_GE(counts.kernels, 10u);
    EXPECT_EQ(counts.spilled, 0u);
    EXPECT_EQ(counts.scratch, 0u);
    EXPECT_GE(counts.least_subgroups, 4u) << "of 16 that hide what memory takes";
    expect_busy(counts, 0.5);
  }
}

/// What a device without matrices runs unless it is asked for something else.
TEST_P(NullDevice, FusedKernelsFitIntoRegisters) {
  for (const std::uint32_t batch : {1u, 16u}) {
    const Counts counts = counts_of(GetParam(), index_, Precision::f32, Fusion::block, batch);
    EXPECT_GE(counts.kernels, 10u);
    EXPECT_GE(counts.least_subgroups, 4u);
    EXPECT_EQ(counts.spilled, 0u);
    EXPECT_EQ(counts.scratch, 0u);
    // 62 % in the head's convolutions, whose few columns take small tiles, 70 and more in the others.
    expect_busy(counts, batch == 1 ? 0.5 : 0.6);
  }
}

/// Minutes: counts that tell whether a change of the fused kernels betters them. That every one can be built is what is
/// tested.
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
