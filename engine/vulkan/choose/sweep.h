// SPDX-License-Identifier: MIT
// Every tile of every product, timed, and what the driver tells of kernels. This header needs no Vulkan header.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "engine/executor.h"
#include "engine/model/weights.h"
#include "engine/vulkan/compile/tiles/tile_shape.h"

namespace dit::vulkan {

/// A product of a program, run with a tile and a workgroup of one's choice.
struct SweptProduct {
  std::string label;  ///< of the first op that has this shape
  ProductShape shape;
  std::uint32_t invocations = 0;
  std::uint32_t processors = 0;  ///< of the device
  Tile tile;
  double microseconds = 0;  ///< median of three, barrier included
  bool chosen = false;      ///< what the cost model takes, with workgroups as the engine makes them
};

struct SweepRange {
  std::vector<std::uint32_t> workgroups = {64, 128, 256, 512,
                                           1024};  ///< invocations; what the device lacks is left out
  std::size_t most_tiles = SIZE_MAX;               ///< of a size of workgroup
};

/// Runs every product shape of a program with every tile that the kernel can run, and every size of workgroup that the
/// device has. Takes minutes: each is a kernel to build.
/// fusion    block, or op where the precision is of 16 bits: f32 op by op has no stages
/// progress  told of each tile that is about to run
/// errors    as Executor::plan
std::vector<SweptProduct> sweep_products(std::shared_ptr<const Weights> weights, std::size_t index,
                                         const Program& program, const Request& request, Precision precision,
                                         Fusion fusion, const SweepRange& range,
                                         const std::function<void(const std::string&)>& progress);

/// What the driver tells of a kernel, e.g. registers and spilled bytes.
struct KernelStatistics {
  std::string kernel;  ///< with its constants
  std::vector<std::pair<std::string, std::string>> values;
  std::string assembly;  ///< empty where it does not tell
};

/// Of every kernel of a program; empty where the device does not tell (VK_KHR_pipeline_executable_properties). Nothing
/// is run or allocated, so a null device will do.
/// processors  as if the device had so many, on which tiles depend; 0: as it says
/// errors      as Executor::plan
std::vector<KernelStatistics> kernel_statistics(std::shared_ptr<const Weights> weights, std::size_t index,
                                                const Program& program, Precision precision, Fusion fusion,
                                                std::uint32_t processors = 0);

}  // namespace dit::vulkan
