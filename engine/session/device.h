// SPDX-License-Identifier: MIT
// Which device paints: "auto", "cpu", "vulkan", "vulkan:<index or part of the name>".
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "engine/executor.h"
#include "engine/model/model.h"
#include "engine/session/trial/self_test.h"

namespace dit {

/// The CPU first, then every Vulkan device; without a usable loader the Vulkan entry has only `problem`.
std::vector<DeviceInfo> list_devices();

struct OpenedDevice {
  std::unique_ptr<Executor> executor;
  std::string note;  ///< why this device, one sentence, for the log and the bus
};

/// Opens the device that `spec` names.
/// test     judges what the device is asked for besides the plain kernels, see DeviceInfo::warning; if empty, icons of
///          the model do, made when they are needed: right is what the CPU computes in f32
/// auto     the first usable hardware GPU, one of its own before one on the processor's chip, which must paint an icon
///          sooner than the CPU; else the CPU; never a software Vulkan device
/// errors   unsupported (a precision or fusion that the device does not offer), settings (malformed spec), device
/// (nothing matches, no loader, no driver, too old), out_of_memory
OpenedDevice open_device(const std::string& spec, std::shared_ptr<const Model> model, const DeviceOptions& options = {},
                         SelfTestSource test = {});

}  // namespace dit
