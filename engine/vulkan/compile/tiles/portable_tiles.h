// SPDX-License-Identifier: MIT
// Tiles of the portable kernels; see shaders/fused/portable/product.glsl.
#pragma once

#include <vector>

#include "engine/vulkan/choose/device_table.h"

namespace dit::vulkan {

/// Every tile that the kernel can run for a shape.
std::vector<Tile> portable_tiles(const ProductShape& shape, const TileLimits& limits, const PortableCosts& costs);
/// An estimate of the time, in cycles of a multiprocessor.
double portable_tile_cost(const ProductShape& shape, const Tile& tile, const TileLimits& limits,
                          const PortableCosts& costs);

}  // namespace dit::vulkan
