// SPDX-License-Identifier: MIT
// What the Khronos validation layer had to say. Environment: DIT_VULKAN_VALIDATION=1 turns the layer on with its
// synchronization checks, =gpu adds bounds checks inside the kernels. For tests.
#pragma once

#include <string>
#include <vector>

namespace dit::vulkan {

/// Prints a message of the layer and keeps it. Any thread.
void note_validation(const std::string& text);

/// Warnings and errors of every device since the program started. Any thread.
std::vector<std::string> validation_messages();

}  // namespace dit::vulkan
