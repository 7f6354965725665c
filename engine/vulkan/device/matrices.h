// SPDX-License-Identifier: MIT
// Matrix hardware: which extension reaches it, and whether it multiplies the blocks that the stages are made of.
#pragma once

#include <vector>

#include "engine/vulkan/device/instance.h"

namespace dit::vulkan {

/// How kernels reach matrix hardware. The names of kernels end in the text of suffix().
enum class MatrixExtension {
  none,
  nv,        ///< VK_NV_cooperative_matrix, of drivers that know no other
  emulated,  ///< through shared memory, on any device: slow, for tests alone
  khr,       ///< VK_KHR_cooperative_matrix; twice as fast on NVIDIA's driver 580, whose NV loads cost twice the time
};

/// "_matrix_khr" or "_matrix_nv"
const char* suffix(MatrixExtension extension);

/// The best extension that multiplies 16×16 blocks of f16 into f32 in a subgroup and is offered by the device.
/// DIT_MATRIX=nv leaves KHR aside: for comparison, and for drivers that get it wrong. DIT_MATRIX=emulated needs no
/// hardware. `suitable` says whether the device has all else that the kernels need:
/// subgroups of 32 that shuffle, f16, and the memory model.
MatrixExtension offered_matrices(const Instance& instance, const vk::raii::PhysicalDevice& device, bool suitable);

/// The structure that switches the extension on: to be chained to what vkCreateDevice takes.
class MatrixFeatures {
 public:
  /// VkPhysicalDeviceCooperativeMatrixFeatures of both extensions: they differ in sType alone.
  struct Features {
    VkStructureType type{};
    void* next = nullptr;
    VkBool32 matrices = VK_FALSE;
    VkBool32 robust_access = VK_FALSE;
  };

  explicit MatrixFeatures(MatrixExtension extension) : extension_(extension) {}
  /// Name of the extension; null for none.
  const char* extension_name() const;
  /// Chains the structure in front of `next`. Valid as long as this object. Returns `next` for none.
  void* chained(void* next);

 private:
  MatrixExtension extension_;
  Features features_;
  VkPhysicalDeviceVulkan13Features full_subgroups_{};  // which KHR matrices ask of every pipeline
};

}  // namespace dit::vulkan
