// SPDX-License-Identifier: MIT
// A Vulkan layer that lets one call fail: between the loader and the driver, so that the engine is tested as it ships.
// Switched on by VK_INSTANCE_LAYERS=VK_LAYER_DIT_faults with VK_ADD_LAYER_PATH at its folder; a test finds the
// functions below in the same library.
#pragma once

#include <cstdint>

extern "C" {

enum DitFault : std::uint32_t {
  DIT_FAULT_MEMORY,   ///< one call returns what it returns when memory runs out
  DIT_FAULT_STARVED,  ///< so does every such call after it
  DIT_FAULT_LOSS,     ///< the device is lost: that call and every later one that can tell says so
};

/// Call number `nth` (from 1) from now on fails; 0: none does, and calls are only counted. Devices lost before stay
/// lost.
using DitFaultsArm = void (*)(std::uint64_t nth, DitFault fault);
/// Calls since the last arming that can fail in the armed way.
using DitFaultsCount = std::uint64_t (*)();
/// From now on dispatches of pipelines whose debug name starts with `prefix` do nothing, as on a device that computes
/// wrong; null: all do their work. Told when a pipeline is made, and obeyed when a command buffer is recorded.
using DitFaultsDeaden = void (*)(const char* prefix);
/// Name of the call with that number, e.g. "vkQueueSubmit"; null beyond the last.
using DitFaultsName = const char* (*)(std::uint64_t nth);
}
