// SPDX-License-Identifier: MIT
// The kernels of shaders/, compiled and embedded.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

namespace dit::vulkan {

/// SPIR-V of a kernel variant, e.g. "attention", "linear_f16". Entry point "main".
/// errors  throws std::out_of_range for an unknown name, a mistake in the program
std::span<const std::uint32_t> spirv(std::string_view name);
/// Of all variants.
std::vector<std::string_view> spirv_names();

}  // namespace dit::vulkan
