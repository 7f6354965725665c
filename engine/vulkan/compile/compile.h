// SPDX-License-Identifier: MIT
// The compiler of the Vulkan path: program → fuse → layout → tile → emit. Each pass is a function over plain values,
// and `dit plan` prints what each made. Knows no Vulkan.
#pragma once

#include "engine/vulkan/compile/emit.h"

namespace dit::vulkan {

/// Everything that does not depend on where memory lies; emit() does the rest.
struct CompiledProgram {
  Target target;
  FusedProgram fused;
  Layouts layouts;
  TiledProgram tiled;
};

/// The first three passes.
/// errors  unsupported, naming the op that the kernels of this target do not serve
CompiledProgram compile(const Program& program, const Target& target);

/// Why the kernels of this target do not serve a program; empty where they do.
std::string refusal_of(const Program& program, const Target& target);

/// The fusion that the target's table names for a program, its own left aside; where it does not serve the program, op
/// in f32, since the plain kernels run any, and block in place of persistent.
Fusion automatic_fusion(const Program& program, Target target);

/// Every tensor after the one before, as if in a device's memory: for whoever only looks at calls.
Places consecutive_places(const Layouts& layouts);

/// Whether kernels exist for this pair; others lost to these on every device that was measured.
bool is_served(Precision precision, Fusion fusion);
/// Refuses the others: errors  unsupported, naming the pair and the nearest one that is served
void expect_served(Precision precision, Fusion fusion);

}  // namespace dit::vulkan
