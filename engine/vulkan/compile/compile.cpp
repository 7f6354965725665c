// SPDX-License-Identifier: MIT
#include "engine/vulkan/compile/compile.h"

#include "engine/error.h"

namespace dit::vulkan {

CompiledProgram compile(const Program& program, const Target& target) {
  CompiledProgram compiled = {.target = target, .fused = fuse(program, target), .layouts = {}, .tiled = {}};
  compiled.layouts = lay_out(program, compiled.fused, target);
  compiled.tiled = tile(program, compiled.fused, target);
  return compiled;
}

std::string refusal_of(const Program& program, const Target& target) {
  try {
    const CompiledProgram compiled = compile(program, target);
    // One dispatch of all stages has room for so many kinds of them.
    if (target.fusion == Fusion::persistent)
      emit(program, compiled.layouts, compiled.tiled, target, consecutive_places(compiled.layouts));
  } catch (const Error& error) {
    return error.what();
  }
  return {};
}

Fusion automatic_fusion(const Program& program, Target target) {
  target.fusion = fastest_fusion(target.table, target.precision, program.shape.batch);
  const bool plain_serves = target.precision == Precision::f32, persistent = target.fusion == Fusion::persistent;
  if ((!plain_serves && !persistent) || refusal_of(program, target).empty()) return target.fusion;
  return plain_serves ? Fusion::op : Fusion::block;
}

Places consecutive_places(const Layouts& layouts) {
  std::vector<std::uint32_t> quads;
  std::uint64_t at = 0;
  const auto place = [&at](std::uint64_t bytes) {
    const auto quad = static_cast<std::uint32_t>(at);
    at += (bytes + 15) / 16;
    return quad;
  };
  for (const TensorLayout& layout : layouts.tensors) quads.push_back(place(layout.size_bytes()));
  const std::uint32_t lhs = place(layouts.scratch.lhs), rows = place(layouts.scratch.rows);
  const std::uint32_t prepared = place(layouts.scratch.prepared);
  return {.tensor = [quads](TensorId id) { return quads.at(id); },
          .lhs_scratch = lhs,
          .row_scratch = rows,
          .prepared = prepared,
          .weight_types = {}};
}

bool is_served(Precision precision, Fusion fusion) {
  if (precision == Precision::f16) return fusion == Fusion::op || fusion == Fusion::block;
  return precision != Precision::f32 || fusion != Fusion::persistent;
}

void expect_served(Precision precision, Fusion fusion) {
  if (is_served(precision, fusion)) return;
  const Fusion nearest = fusion == Fusion::none ? Fusion::op : Fusion::block;
  fail(ErrorKind::unsupported, "precision '{}' has no fusion '{}', which was slower everywhere; nearest: fusion '{}'",
       name_of(precision), name_of(fusion), name_of(nearest));
}

}  // namespace dit::vulkan
