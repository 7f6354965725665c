// SPDX-License-Identifier: MIT
#include "tests/engine/support/devices_under_test.h"

#include "engine/vulkan/compile/compile.h"
#include "engine/vulkan/device/pipelines.h"

namespace dit::test {
namespace {

/// What tests set to choose between kinds of matrices, which a device keeps from its opening on.
std::string wanted_matrices() {
  const char* wanted = std::getenv("DIT_MATRIX");
  return wanted ? wanted : "";
}

/// A device and the kernels built for it so far.
struct Opened {
  std::string matrices = wanted_matrices();
  std::shared_ptr<vulkan::Device> device = vulkan::open_device(vulkan_index());
  std::shared_ptr<vulkan::Pipelines> pipelines = std::make_shared<vulkan::Pipelines>(*device);

  bool serves() const { return matrices == wanted_matrices() && !device->lost(); }
};

/// Drivers of GPUs take a second to open a device, and longer while other processes do so; a test of an op has up to
/// 72 cases. Destroyed by close_vulkan alone: a driver may be gone already when static objects are.
std::unique_ptr<Opened>& kept() {
  static auto* const device = new std::unique_ptr<Opened>;
  return *device;
}

Opened& opened() {
  if (!kept() || !kept()->serves()) kept() = std::make_unique<Opened>();
  return *kept();
}

}  // namespace

void close_vulkan() { kept().reset(); }

std::string vulkan_problem() {
  try {
    for (const DeviceInfo& device : vulkan::describe()) {
      if (device.problem.empty()) return {};
    }
    return "no usable Vulkan device";
  } catch (const Error& error) {
    return error.what();
  }
}

std::size_t vulkan_index() {
  const char* wanted = std::getenv("DIT_TEST_VULKAN");
  return wanted ? std::strtoul(wanted, nullptr, 10) : 0;
}

bool vulkan_is_software() { return vulkan::describe().at(vulkan_index()).software; }

DeviceOptions vulkan_options(const std::string& kind) {
  DeviceOptions options = {.precision = Precision::f32, .fusion = Fusion::op};
  const std::size_t fusion = kind.find('_');
  if (fusion == std::string::npos) return options;
  const std::size_t precision = kind.find('_', fusion + 1);
  const std::string name = kind.substr(precision + 1);
  options.fusion = fusion_from_name(kind.substr(fusion + 1, precision - fusion - 1));
  options.precision = precision_from_name(name == "matrix" ? "f16-matrix" : name);
  return options;
}

std::unique_ptr<Executor> open_executor(const std::string& kind, std::shared_ptr<const Weights> weights) {
  if (kind == "cpu") return cpu::open(std::move(weights), {.threads = 2});
  const Opened& shared = opened();
  return vulkan::open_on(shared.device, shared.pipelines, std::move(weights), vulkan_options(kind));
}

std::vector<std::string> fused_kinds() {
  std::vector<std::string> kinds;
  if (!std::getenv("DIT_TEST_ALL_FUSIONS")) return kinds;
  for (const char* precision : {"f32", "f16", "matrix"}) {
    for (const char* fusion : {"none", "op", "block", "single"}) {
      const std::string kind = std::string("vulkan_") + fusion + "_" + precision;
      const DeviceOptions options = vulkan_options(kind);
      if (kind != "vulkan_op_f32" && vulkan::is_served(options.precision, options.fusion)) kinds.push_back(kind);
    }
  }
  return kinds;
}

std::string problem_of(const std::string& kind) {
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

}  // namespace dit::test
