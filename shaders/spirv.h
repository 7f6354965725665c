// SPDX-License-Identifier: MIT
// The kernels of shaders/, compiled and embedded.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

namespace dit::vulkan {

/// SPIR-V of a kernel variant, e.g. "attention", "linear_f16". Entry point "main".
/// errors  throws std::out_of_range for an unknown name, a mistake in the program
std::span<const std::uint32_t> spirv(std::string_view name);

/// What a kernel variant is compiled from, and how.
struct KernelSource {
  std::string_view file;        ///< relative to shaders/
  std::string_view definition;  ///< of the preprocessor; empty: none
  bool optimised = true;
  bool khr_matrices = false;  ///< for Vulkan 1.3, and what is compiled goes through khr_matrices()
};
/// errors  as spirv()
const KernelSource& kernel_source(std::string_view name);
/// Text of a file that CMake writes and that kernels include by this name; empty: it writes none of this name.
std::string_view generated_source(std::string_view name);

}  // namespace dit::vulkan
