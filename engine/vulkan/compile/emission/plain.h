// SPDX-License-Identifier: MIT
// Emission for the plain kernels: one op, the calls that run it in f32 on any device. Knows no Vulkan.
#pragma once

#include <vector>

#include "engine/vulkan/compile/kernel_call.h"

namespace dit::vulkan {

/// The calls that run `op`, in order, each depending on the one before.
/// weight_types  of each tensor of the program; f32 for activations
/// errors        unsupported if a size is beyond what the kernels serve
std::vector<KernelCall> plain_calls(const Program& program, const Op& op, const std::vector<DType>& weight_types);

}  // namespace dit::vulkan
