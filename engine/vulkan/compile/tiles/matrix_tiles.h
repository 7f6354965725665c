// SPDX-License-Identifier: MIT
// Tiles of the kernels on matrix hardware; see shaders/fused/matrix/product.glsl.
#pragma once

#include <vector>

#include "engine/vulkan/choose/device_table.h"

namespace dit::vulkan {

/// Every tile that the kernel can run for a shape.
std::vector<Tile> matrix_tiles(const ProductShape& shape, const TileLimits& limits, const MatrixCosts& costs);
/// An estimate of the time, in cycles of a multiprocessor.
double matrix_tile_cost(const ProductShape& shape, const Tile& tile, const TileLimits& limits,
                        const MatrixCosts& costs);

}  // namespace dit::vulkan
