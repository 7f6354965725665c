// SPDX-License-Identifier: MIT
#include "engine/vulkan/compile/listing.h"

#include <fmt/format.h>

namespace dit::vulkan {
namespace {

const char* name_of(Work work) {
  switch (work) {
    case Work::product:
      return "product";
    case Work::norm:
      return "norm";
    case Work::attention:
      return "attention";
    case Work::activate:
      return "activate";
    case Work::add:
      return "add";
    case Work::noise:
      return "noise";
    case Work::overlap:
      return "overlap";
    case Work::solve:
      return "solve";
    case Work::rgba:
      return "rgba";
    case Work::windows:
      return "windows";
    case Work::begin:
      return "begin";
    case Work::hold:
      return "hold";
    case Work::head:
      return "head";
    case Work::plain:
      return "plain";
  }
  return "?";
}

const char* name_of(Lhs lhs) {
  constexpr const char* names[] = {"fragments", "norm", "windows", "attention"};
  return names[static_cast<std::size_t>(lhs)];
}

const char* name_of(Store store) {
  constexpr const char* names[] = {"fragments", "rows", "add", "embed", "image", "solve", "map", "map added", "pixels"};
  return names[static_cast<std::size_t>(store)];
}

const std::string& label(const Program& program, std::size_t op) { return program.step[op].label; }

/// What a product does on the way in and out: "norm → product → add".
std::string path_of(const Program& program, const Group& group) {
  if (group.work == Work::overlap) return fmt::format("overlap → {}", name_of(group.store));
  if (group.head) return fmt::format("head   from {} on", label(program, *group.head));
  if (group.work != Work::product) return name_of(group.work);
  std::string path = group.noisy && group.lhs == Lhs::windows ? "noise → " : "";
  if (group.lhs != Lhs::fragments) path += fmt::format("{} → ", name_of(group.lhs));
  path += fmt::format("product → {}", name_of(group.store));
  if (group.attention) path += fmt::format("   with {}", label(program, *group.attention));
  if (group.next_norm) path += fmt::format("   and the norm of {}", label(program, *group.next_norm));
  if (group.solver) path += fmt::format("   and {}", label(program, *group.solver));
  return path;
}

std::string tile_text(const TiledGroup& t, const Target& target) {
  const Tile& tile = t.tile;
  std::string text =
      fmt::format("{}×{} fragments, {}×{}×{} subgroups of {}×{}", tile.rows(), tile.columns(), tile.subgroups_down,
                  tile.subgroups_across, tile.subgroups_deep, tile.down, tile.across);
  if (tile.chunk > 0) text += fmt::format(", {} chunks of {} deep", tile.buffers, tile.chunk);
  if (target.matrix()) text += fmt::format(", {} deep a turn", tile.depth_step);
  return text;
}

std::string operand_text(const Program& program, const Operand& operand) {
  constexpr const char* regions[] = {"",        "row_stats",  "windows", "normal_table",   "icons",   "modulation_row",
                                     "solver",  "solver_row", "arena",   "packed_weights", "stages",  "pictures",
                                     "control", "range",      "status",  "sketches",       "prepared"};
  const std::string name = operand.region == Region::tensor ? program.tensor(operand.tensor).name
                                                            : regions[static_cast<std::size_t>(operand.region)];
  return operand.written ? (operand.read ? name + " (in place)" : "→ " + name) : name;
}

std::string call_text(const Program& program, const KernelCall& call) {
  std::string text = fmt::format("{}  groups {}×{}×{}, {} constants, {} pushed", call.kernel, call.groups[0],
                                 call.groups[1], call.groups[2], call.constants.size(), call.push.size());
  if (call.operands.empty() || call.operands.front().region != Region::tensor) return text;
  for (std::size_t i = 0; i < call.operands.size(); ++i)
    text += (i == 0 ? "  " : ", ") + operand_text(program, call.operands[i]);
  return text;
}

}  // namespace

std::string list_groups(const Program& program, const FusedProgram& fused) {
  std::string text = fmt::format("fuse: {} ops in {} groups\n", program.step.size(), fused.groups.size());
  for (std::size_t i = 0; i < fused.groups.size(); ++i) {
    const Group& group = fused.groups[i];
    text += fmt::format("  {:3}  {:24} {}\n", i, label(program, group.op), path_of(program, group));
  }
  return text;
}

std::string list_layouts(const Program& program, const Layouts& layouts) {
  std::string text = "layout:\n";
  for (TensorId id = 0; id < layouts.tensors.size(); ++id) {
    if (program.tensor(id).kind != TensorKind::activation) continue;
    const TensorLayout& layout = layouts.tensors[id];
    constexpr const char* kinds[] = {"as it is", "rows", "fragments", "pixels"};
    const bool turned = layout.turned_from != UINT32_MAX;
    text +=
        fmt::format("  {:24} {:16} {}{}{}, {} bytes\n", program.tensor(id).name, to_string(program.tensor(id).shape),
                    kinds[static_cast<std::size_t>(layout.kind)], layout.half ? " of f16" : " of f32",
                    turned ? fmt::format(", turned from fragment {} on", layout.turned_from) : "", layout.size_bytes());
  }
  const Scratch& s = layouts.scratch;
  text +=
      fmt::format("  scratch: lhs {}, rows {}, row statistics {}, windows {}", s.lhs, s.rows, s.row_stats, s.windows);
  if (s.prepared > 0) text += fmt::format(", prepared {}", s.prepared);
  return text + " bytes\n";
}

std::string list_tiles(const Program& program, const TiledProgram& tiled, const Target& target) {
  std::string text = fmt::format("tile: by the table of {} ({}), {} workgroups side by side\n",
                                 vulkan::name_of(target.table.device_class), target.table.measured, target.processors);
  for (std::size_t i = 0; i < tiled.groups.size(); ++i) {
    const TiledGroup& t = tiled.groups[i];
    if (t.group.work == Work::plain) continue;
    const std::uint64_t shared = t.shared_quads * 16ull + (target.matrix() ? 0 : t.shared_floats * 4ull);
    text += fmt::format("  {:3}  {:24} {:5} tiles, {:3} invocations, {:5} bytes shared", i, label(program, t.group.op),
                        t.tiles, t.invocations, shared);
    if (t.group.work == Work::product) text += ": " + tile_text(t, target);
    if (t.group.head)
      text += fmt::format(": {}×{} pixels, {} fragments a subgroup, {} of the last layer", t.head.height, t.head.width,
                          t.head.down, t.head.last_down);
    text += '\n';
  }
  return text;
}

std::string list_calls(const Program& program, const TiledProgram& tiled, const EmittedProgram& emitted) {
  std::string text = "emit:\n";
  for (std::size_t i = 0; i < emitted.calls.size(); ++i) {
    for (const KernelCall& call : emitted.calls[i])
      text += fmt::format("  {:3}  {:24} {}\n", i, label(program, tiled.groups[i].group.op), call_text(program, call));
  }
  if (emitted.persistent) {
    text += fmt::format("  one dispatch of all {} stages of all steps: {}\n", emitted.stages.size(),
                        call_text(program, *emitted.persistent));
    for (std::size_t i = 0; i < emitted.stages.size(); ++i) {
      const std::uint32_t variant = emitted.stages[i].variant;
      text += fmt::format("  {:3}  {:24} {}\n", i, label(program, tiled.groups[i].group.op),
                          variant == NO_PLACE ? "no variant" : fmt::format("variant {}", variant));
    }
  }
  return text + fmt::format("  packed weights: {} bytes\n", emitted.packing.size_bytes());
}

}  // namespace dit::vulkan
