// SPDX-License-Identifier: MIT
// A program on a device: memory placed, descriptors written, one command buffer recorded for each step.
#pragma once

#include <memory>

#include "engine/executor.h"
#include "engine/vulkan/pipelines.h"
#include "engine/vulkan/placement.h"

namespace dit::vulkan {

/// What the plans of an executor share.
struct Shared {
  std::shared_ptr<Device> device;
  std::unique_ptr<Pipelines> pipelines;
  PlacedWeights weights;
};

/// errors  as Executor::plan; `shared` must outlive the plan
std::unique_ptr<Plan> make_plan(Shared& shared, Program program);

}  // namespace dit::vulkan
