// SPDX-License-Identifier: MIT
// What each pass made, as text: for `dit plan` and for whoever debugs a pass. Knows no Vulkan.
#pragma once

#include <string>

#include "engine/vulkan/compile/compile.h"

namespace dit::vulkan {

/// One line a group: its op, prologue, work and epilogue.
std::string list_groups(const Program& program, const FusedProgram& fused);
/// One line an activation: its shape, how it lies, its bytes; then scratch memory.
std::string list_layouts(const Program& program, const Layouts& layouts);
/// One line a group: tiles, workgroups and shared memory.
std::string list_tiles(const Program& program, const TiledProgram& tiled, const Target& target);
/// One line a kernel call, with what it binds.
std::string list_calls(const Program& program, const TiledProgram& tiled, const EmittedProgram& emitted);

}  // namespace dit::vulkan
