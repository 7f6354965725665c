// SPDX-License-Identifier: MIT
// The Vulkan executor: hand-written GLSL compute, command buffers recorded once. Any Vulkan 1.2 device.
// This header needs no Vulkan header.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "engine/executor.h"
#include "engine/model/weights.h"
#include "engine/session/trial/self_test.h"
#include "engine/vulkan/choose/tuned.h"
#include "engine/vulkan/compile/target.h"

namespace dit::vulkan {

class Device;
class Pipelines;

/// Every device of every driver, unusable ones too (`problem` says why).
/// errors  throws Error{device} if there is no loader or no instance can be made
std::vector<DeviceInfo> describe();

/// Opens device `index` of describe() and uploads the weights once.
/// test    judges every mode but the plain kernels (f32, op); where one fails, the next is used and info().warning says
///         so. Empty: the mode is taken as it is
/// errors  device, unsupported ("model needs X, device has Y"), out_of_memory
std::unique_ptr<Executor> open(std::shared_ptr<const Weights> weights, std::size_t index,
                               const DeviceOptions& options = {}, const SelfTestSource& test = {});

/// The same on a device that is open already, with the kernels built for it so far. Executors that share them must take
/// turns on one thread.
/// options  precision not int8
/// errors   unsupported, out_of_memory; those of Vulkan itself come as they are, where open() names the device
std::unique_ptr<Executor> open_on(std::shared_ptr<Device> device, std::shared_ptr<Pipelines> pipelines,
                                  std::shared_ptr<const Weights> weights, const DeviceOptions& options = {},
                                  const SelfTestSource& test = {});

/// What kernels are compiled for on device `spec`, "vulkan:<index>".
/// fusion  automatic: what the table of the device's class names for `program`
/// errors  settings: another spec; device, unsupported
Target device_target(const std::string& spec, Precision precision, Fusion fusion, const Program& program);

/// One dispatch of a step, timed by the device's own clock.
struct LaunchTime {
  std::string label;   ///< of the op that it ends or belongs to
  std::string kernel;  ///< with its constants
  std::uint32_t groups = 0;
  double microseconds = 0;  ///< barrier included
};

/// Repeats every dispatch of step `step`, each after a barrier; of a program without ops to repeat, what there is. The
/// plan's tensors are garbage afterwards. `plan` must come from an executor of this folder. Empty where a step is part
/// of a persistent dispatch, or there is no clock.
std::vector<LaunchTime> time_launches(Plan& plan, std::uint32_t step, std::uint32_t repeats);

/// By which keep_tuned() finds an executor's device again.
const std::string& identity(const Executor& executor);

/// What a plan was made with, where that was left to the executor.
Fusion fusion(const Plan& plan);

/// Dispatches of one step; stages where one dispatch does all.
std::uint32_t dispatches(const Plan& plan);

}  // namespace dit::vulkan
