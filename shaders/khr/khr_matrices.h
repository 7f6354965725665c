// SPDX-License-Identifier: MIT
// VK_KHR_cooperative_matrix from compilers that only know VK_NV_cooperative_matrix: one SPIR-V module made of another.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace dit::vulkan {

/// A module with NV matrices, as the same module with KHR matrices. What a matrix is used for, which KHR's types say
/// and NV's do not, is read from the specialization constant of its scope (shaders/common/matrix_uses.h); these
/// constants become plain ones. Nothing is guessed: whoever writes the GLSL declares the uses, its compiler keeps them
/// apart.
///
/// words   valid SPIR-V, of Vulkan 1.3 if the device is to take it
/// errors  throws std::runtime_error that names the instruction and the word where it begins: matrices without a use,
/// or
///         in the wrong place of a product; conversions between uses; whole numbers; what NV has and KHR has not; a
///         module without matrices; words that are no SPIR-V
std::vector<std::uint32_t> khr_matrices(std::span<const std::uint32_t> words);

}  // namespace dit::vulkan
