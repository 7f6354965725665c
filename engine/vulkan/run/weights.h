// SPDX-License-Identifier: MIT
// A file's weights on the device, as the plain kernels read them.
#pragma once

#include "engine/model/weights.h"
#include "engine/vulkan/run/placement.h"

namespace dit::vulkan {

/// Uploads every tensor. `expand`: quantised ones as f32. `placed` must stay where it is: its places point to its
/// buffer. errors  unsupported, out_of_memory, device
void place_weights(Device& device, const Weights& weights, bool expand, PlacedWeights& placed);

}  // namespace dit::vulkan
