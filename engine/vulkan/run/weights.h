// SPDX-License-Identifier: MIT
// A file's weights on the device, as the plain kernels read them.
#pragma once

#include "engine/model/weights.h"
#include "engine/vulkan/run/placement.h"

namespace dit::vulkan {

/// Uploads every tensor. `expand`: quantised ones as f32. `placed` must stay where it is: its places point to its
/// buffer. errors  unsupported, out_of_memory, device
void place_weights(Device& device, const Weights& weights, bool expand, PlacedWeights& placed);

/// As what weights lie on a device: f16 matrices stay f16, and quantised ones stay integers that each product unpacks,
/// unless they are expanded. Everything else becomes f32: vectors, so that a kernel needs variants for its matrix
/// alone, and positions, which are added, not multiplied.
DType placed_dtype(const WeightView& view, bool expand);

}  // namespace dit::vulkan
