// SPDX-License-Identifier: MIT
// `dit devices`: what can paint here.
#include <fmt/core.h>

#include <algorithm>

#include "engine/cli/commands/commands.h"
#include "engine/cli/text/print.h"
#include "engine/session/device.h"

namespace dit::cli {
namespace {

const char* kind(const DeviceInfo& info) {
  if (info.hardware_gpu) return "GPU";
  // What a null device is, see engine/vulkan/device/instance.h.
  if (info.spec.starts_with("vulkan") && info.memory_bytes == 0) return "null";
  return info.software ? "software" : "CPU";
}

std::string size_text(std::uint64_t bytes) {
  if (bytes == 0) return "-";
  return fmt::format("{:.1f} GiB", static_cast<double>(bytes) / (1024.0 * 1024.0 * 1024.0));
}

void print_devices() {
  const std::vector<DeviceInfo> devices = list_devices();
  std::size_t spec_width = 6, name_width = 4;
  for (const DeviceInfo& info : devices) {
    spec_width = std::max(spec_width, info.spec.size());
    name_width = std::max(name_width, info.name.size());
  }
  say("{:<{}}  {:<{}}  {:<8}  {:>10}  {:<9}  {}\n", "device", spec_width, "name", name_width, "kind", "memory", "API",
      "driver");
  for (const DeviceInfo& info : devices) {
    say("{:<{}}  {:<{}}  {:<8}  {:>10}  {:<9}  {}\n", info.spec, spec_width, info.name, name_width,
        info.name.empty() ? "-" : kind(info), size_text(info.memory_bytes), info.api.empty() ? "-" : info.api,
        info.driver.empty() ? "-" : info.driver);
  }
  for (const DeviceInfo& info : devices) {
    if (info.problem.empty() && info.limits.empty()) continue;
    say("\n{}\n", info.spec);
    if (!info.problem.empty()) say("  cannot be used: {}\n", info.problem);
    for (const auto& [name, value] : info.limits) say("  {}: {}\n", name, value);
  }
  // The rule of open_device("auto").
  const auto usable = [&](bool integrated) {
    return std::ranges::find_if(devices, [=](const DeviceInfo& info) {
      return info.hardware_gpu && info.integrated == integrated && info.problem.empty();
    });
  };
  if (const auto gpu = usable(false); gpu != devices.end()) {
    say("\nauto takes {}: the first usable hardware GPU\n", gpu->spec);
  } else if (const auto integrated = usable(true); integrated != devices.end()) {
    say("\nauto takes {} or cpu: whichever paints an icon sooner\n", integrated->spec);
  } else {
    say("\nauto takes cpu: no usable hardware GPU (software Vulkan devices are taken only by name)\n");
  }
}

}  // namespace

void add_devices(CLI::App& app) {
  CLI::App* command = app.add_subcommand("devices", "List what can paint, and say which one 'auto' takes");
  command->footer(
      "Examples:\n"
      "  dit devices\n"
      "  dit generate --device vulkan:0 --prompt \"red car\"");
  command->callback(print_devices);
}

}  // namespace dit::cli
