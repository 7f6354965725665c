// SPDX-License-Identifier: MIT
#include "engine/vulkan/compile/emit.h"

#include <algorithm>
#include <utility>

#include "engine/error.h"
#include "engine/vulkan/compile/emission/constants.h"
#include "engine/vulkan/compile/emission/plain.h"
#include "engine/vulkan/compile/emission/stage.h"

namespace dit::vulkan {
namespace {

constexpr std::uint32_t spin_limit = 1u << 21;  // polls of the grid barrier: about two seconds on an NVIDIA H200

std::vector<Operand> fused_operands(bool writes_pictures) {
  std::vector<Operand> operands = {{Region::packed_weights},
                                   {Region::arena, no_tensor, true, true},
                                   {Region::pictures, no_tensor, false, writes_pictures},
                                   {Region::stages}};
  for (const Region region :
       {Region::icons, Region::solver, Region::solver_row, Region::modulation_row, Region::normal_table}) {
    operands.push_back({region});
  }
  return operands;
}

KernelCall dispatch(const TiledGroup& t, const params::Stage& stage, const Target& target) {
  return {"dispatch" + target.kernel_suffix(),
          specialization_constants(t, stage, target),
          fused_operands(t.group.work == Work::rgba),
          push_constants(stage),
          {std::min(t.tiles, groups_a_line), 1, 1}};
}

/// Fragments of keys and values that lie in Region::prepared as [K·L, 2·A].
KernelCall fragments_of_prompt(const TensorLayout& layout, std::uint32_t y, const Target& target,
                               const Places& places) {
  params::Stage s{};
  s.kind = STAGE_PROMPT;
  s.rows = layout.rows;
  s.tokens = layout.tokens;
  s.token_fragments = fragments_of(layout.tokens);
  s.row_fragments = layout.row_fragments();
  s.column_fragments = layout.columns.fragments();
  s.columns = layout.columns.columns;
  s.head_dim = layout.columns.group;
  s.turned_from = layout.turned_from;
  s.a = places.prepared;
  s.y = y;
  s.bias = s.gate = s.qk_weight = s.position = s.normed = NO_PLACE;
  s.down = s.across = s.depth_step = s.lhs_share = 1;  // of arrays
  const std::uint64_t fours = std::uint64_t{s.row_fragments} * s.column_fragments * 64;
  s.tiles = divide_up(fours, target.invocations);
  TiledGroup t = {.group = {}, .tile = {}, .tiles = s.tiles, .invocations = target.invocations};
  KernelCall call = dispatch(t, s, target);
  call.operands.push_back({Region::prepared});  // which lies in the arena, so that they wait for each other
  return call;
}

/// Gives every stage the variant of persistent.comp that has its constants, if it is of a kind that has variants.
/// Returns the index of a group of each.
std::vector<std::size_t> assign_variants(const TiledProgram& tiled, std::vector<params::Stage>& stages,
                                         const Target& target) {
  std::vector<std::size_t> variants;
  std::vector<std::vector<std::uint32_t>> keys;
  for (std::size_t i = 0; i < stages.size(); ++i) {
    const Work work = tiled.groups[i].group.work;
    if (work != Work::product && work != Work::norm && work != Work::windows && work != Work::attention &&
        work != Work::overlap && work != Work::head) {
      stages[i].variant = NO_PLACE;
      continue;
    }
    std::vector<std::uint32_t> key = specialization_constants(tiled.groups[i], stages[i], target);
    const auto known = std::ranges::find(keys, key);
    stages[i].variant = static_cast<std::uint32_t>(known - keys.begin());
    if (known != keys.end()) continue;
    keys.push_back(std::move(key));
    variants.push_back(i);
  }
  expect(variants.size() <= VARIANTS_LIMIT, ErrorKind::unsupported,
         "one dispatch of all stages serves {} kinds of them on matrix hardware, the model needs {}", VARIANTS_LIMIT,
         variants.size());
  return variants;
}

KernelCall persistent_dispatch(const TiledProgram& tiled, const std::vector<params::Stage>& stages,
                               const std::vector<std::size_t>& variants, const Target& target) {
  std::vector<SizedStage> sized;
  for (const std::size_t i : variants) sized.push_back({tiled.groups[i], stages[i]});
  std::uint32_t tiles = 1;
  for (const TiledGroup& t : tiled.groups) tiles = std::max(tiles, t.tiles);
  KernelCall call = {"persistent" + target.kernel_suffix(),
                     persistent_constants(sized, target),
                     fused_operands(true),
                     {0, spin_limit},
                     {std::min(tiles, target.processors), 1, 1}};
  call.operands.push_back({Region::control, no_tensor, true, true});
  call.operands.push_back({Region::range});
  call.operands.push_back({Region::status, no_tensor, false, true});
  return call;
}

}  // namespace

std::vector<std::vector<KernelCall>> emit_prepare(const Program& program, const Layouts& layouts, const Target& target,
                                                  const Places& places) {
  std::vector<std::vector<KernelCall>> result;
  TensorId prepared = no_tensor;  // whose values Region::prepared holds
  for (const Op& op : program.prepare) {
    std::vector<KernelCall> calls = plain_calls(program, op, places.weight_types);
    const TensorId output = output_of(op.what);
    if (layouts.tensors[output].kind == TensorLayout::Kind::fragments) {
      for (Operand& operand : calls.back().operands) {
        if (operand.region != Region::tensor || operand.tensor != output) continue;
        expect(!operand.read || prepared == output, ErrorKind::unsupported,
               "op '{}': expected to follow the op that makes '{}'", op.label, program.tensor(output).name);
        operand = {Region::prepared, no_tensor, operand.read, operand.written};
      }
      prepared = output;
      calls.push_back(fragments_of_prompt(layouts.tensors[output], places.tensor(output), target, places));
    }
    result.push_back(std::move(calls));
  }
  return result;
}

EmittedProgram emit(const Program& program, const Layouts& layouts, const TiledProgram& tiled, const Target& target,
                    const Places& places) {
  EmittedProgram emitted;
  if (target.plain()) {
    for (const TiledGroup& t : tiled.groups)
      emitted.calls.push_back(plain_calls(program, program.step[t.group.op], places.weight_types));
    return emitted;
  }
  emitted.packing = PackingList(target.half(), target.order());
  StageWriter writer(program, layouts, target, places, emitted.packing);
  for (const TiledGroup& t : tiled.groups) emitted.stages.push_back(writer.write(t));
  emitted.calls.resize(tiled.groups.size());
  if (target.fusion == Fusion::persistent) {
    const std::vector<std::size_t> variants = assign_variants(tiled, emitted.stages, target);
    emitted.persistent = persistent_dispatch(tiled, emitted.stages, variants, target);
    return emitted;
  }
  for (std::size_t i = 0; i < emitted.calls.size(); ++i)
    emitted.calls[i] = {dispatch(tiled.groups[i], emitted.stages[i], target)};
  return emitted;
}

std::vector<const KernelCall*> calls_of(const EmittedProgram& emitted,
                                        const std::vector<std::vector<KernelCall>>& prepare) {
  std::vector<const KernelCall*> all;
  for (const auto* lists : {&emitted.calls, &prepare}) {
    for (const std::vector<KernelCall>& calls : *lists) {
      for (const KernelCall& call : calls) all.push_back(&call);
    }
  }
  if (emitted.persistent) all.push_back(&*emitted.persistent);
  return all;
}

}  // namespace dit::vulkan
