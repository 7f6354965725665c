// SPDX-License-Identifier: MIT
// What `dit bench` asks of a device besides whole icons. This header needs no Vulkan header.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "engine/executor.h"
#include "engine/model/weights.h"
#include "engine/network/work.h"
#include "engine/vulkan/compile/tiles/tile_shape.h"

namespace dit::vulkan {

/// What the device can do at most, as kernels of ceiling.comp measure it; medians.
struct Ceilings {
  double copy_gb_s = 0;        ///< read and written by a kernel that copies a large buffer
  double f32_tflop_s = 0;      ///< multiply-adds from registers
  double matrix_tflop_s = 0;   ///< 16×16×16 products of f16 from registers; 0: not offered
  double dispatch_us = 0;      ///< an empty dispatch and a barrier
  double alternating_us = 0;   ///< the same, of two pipelines in turn
  double grid_barrier_us = 0;  ///< of all workgroups of a persistent dispatch; 0: they do not stay resident
  double submit_us = 0;        ///< an empty submission, until the host has waited for it
};

/// errors  device, out_of_memory
Ceilings measure_ceilings(std::size_t index);

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

/// The ceiling that bounds some work, and the share of it that was reached.
struct Share {
  const char* bound = "none";  ///< "matrix", "f32", "copy", "dispatch" or "barrier"
  double share = 0;
};

/// What work cannot do without: dispatches, or barriers of a persistent one.
struct Launches {
  double dispatches = 0, barriers = 0;
};

Share share_of(const Ceilings& ceilings, const Work& work, double microseconds, bool matrix, const Launches& launches);

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
};

/// Of every kernel of a program; empty where the device does not tell (VK_KHR_pipeline_executable_properties).
/// errors  as Executor::plan
std::vector<KernelStatistics> kernel_statistics(std::shared_ptr<const Weights> weights, std::size_t index,
                                                const Program& program, Precision precision, Fusion fusion);

}  // namespace dit::vulkan
