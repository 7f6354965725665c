// SPDX-License-Identifier: MIT
// A program on a device: its schedule recorded as command buffers, submitted a stretch of steps at a time.
#pragma once

#include <memory>

#include "engine/executor.h"
#include "engine/vulkan/schedule.h"

namespace dit::vulkan {

/// precision, fusion  not automatic
/// errors  as Executor::plan; `shared` must outlive the plan
std::unique_ptr<Plan> make_plan(Shared& shared, Program program, Precision precision, Fusion fusion);

}  // namespace dit::vulkan
