// SPDX-License-Identifier: MIT
// What kernels are compiled for: a mode, and what a device offers a workgroup. Knows no Vulkan.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "engine/executor.h"
#include "engine/vulkan/choose/device_table.h"
#include "engine/vulkan/compile/tensor_layout.h"

namespace dit::vulkan {

struct Target {
  Precision precision = Precision::f32;                      ///< f32, f16 or f16_matrix
  Fusion fusion = Fusion::block;                             ///< not automatic
  std::uint32_t invocations = 64;                            ///< of a workgroup: a power of two, at least 64
  std::uint32_t shared_bytes = 16384;                        ///< that a workgroup may use
  std::uint32_t processors = 8;                              ///< workgroups that run at the same time
  std::string matrix_suffix = "_matrix_emulated";            ///< of kernels that need matrix hardware
  DeviceTable table = table_of(DeviceClass::nvidia_matrix);  ///< of its own: a target may outlive its device
  std::optional<Tile> forced = {};  ///< in place of the choice, where it can be; for benchmarks

  /// The kernels of one op each that run on any device: they do f32 op by op.
  bool plain() const { return precision == Precision::f32 && fusion == Fusion::op; }
  bool half() const { return precision != Precision::f32; }
  bool matrix() const { return precision == Precision::f16_matrix; }
  /// Whether groups may go beyond one op.
  bool joins_ops() const { return fusion == Fusion::block || fusion == Fusion::persistent; }
  /// Whether every piece of an op is a dispatch.
  bool splits_ops() const { return fusion == Fusion::none; }
  FragmentOrder order() const { return matrix() ? FragmentOrder::by_invocation : FragmentOrder::by_row; }
  std::uint32_t quads_a_fragment() const { return half() ? 32 : 64; }
  std::uint32_t subgroups() const { return invocations / 32; }
  std::string kernel_suffix() const { return matrix() ? matrix_suffix : half() ? "_f16" : "_f32"; }
};

}  // namespace dit::vulkan
