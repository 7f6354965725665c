// SPDX-License-Identifier: MIT
// A program laid out on a device: memory placed, kernels built, descriptors written, ready to be recorded.
#pragma once

#include <atomic>
#include <memory>
#include <optional>
#include <vector>

#include "engine/vulkan/compile/compile.h"
#include "engine/vulkan/device/pipelines.h"
#include "engine/vulkan/run/placement.h"

namespace dit::vulkan {

/// Weights as the fused kernels read them, shared by the plans that read the same.
struct PackedWeights {
  PackingList list{false, FragmentOrder::by_row};
  Buffer buffer;
};

/// For benchmarks and tests: what is not left to the engine's choice.
struct Forced {
  std::uint32_t invocations = 0;     ///< of a workgroup of the fused kernels
  std::optional<Tile> tile;          ///< of every product that can run it
  std::optional<DeviceTable> table;  ///< in place of the device's own
};

/// What the plans of an executor share.
struct Shared {
  std::shared_ptr<Device> device;
  std::shared_ptr<const Weights> source;
  std::shared_ptr<Pipelines> pipelines;
  PlacedWeights weights;
  std::vector<std::shared_ptr<const PackedWeights>> packed;
  Forced forced;
};

/// A kernel call with its pipeline and its bindings.
struct Launch {
  KernelCall call;
  const Pipeline* pipeline = nullptr;
  vk::DescriptorSet set;
  const TiledGroup* group = nullptr;  ///< what it does, unless it prepares; owned by the schedule
};

/// Launches that end with the op's output in memory.
struct LaunchedOp {
  const Op* op = nullptr;
  std::vector<Launch> launches;
  std::uint32_t first_stage = 0, last_stage = 0;  ///< of a persistent dispatch, in place of launches
};

struct Schedule {
  CompiledProgram compiled;
  std::unique_ptr<Placement> memory;
  std::shared_ptr<const PackedWeights> packed;
  vk::raii::DescriptorPool descriptors{nullptr};
  std::vector<LaunchedOp> prepare, step;  ///< `step` without the bytes of the picture
  std::optional<LaunchedOp> bytes;
  std::optional<Launch> persistent;  ///< the one dispatch of all steps, where there is one
  std::uint32_t stages = 0;          ///< of a step, bytes included
};

/// What kernels are compiled for on this device. errors  unsupported: a pair that no kernels serve
Target target_of(const Device& device, Precision precision, Fusion fusion, const Forced& forced = {});

/// `program` must outlive the schedule, which points to its ops; `shared` too.
/// errors  as Executor::plan; Cancelled: while kernels were built
std::unique_ptr<Schedule> make_schedule(Shared& shared, const Program& program, Precision precision, Fusion fusion,
                                        const std::atomic<bool>& cancel = never_cancelled);

}  // namespace dit::vulkan
