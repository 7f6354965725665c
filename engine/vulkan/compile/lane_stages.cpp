// SPDX-License-Identifier: MIT
// The sizes of stages on matrix hardware; see shaders/fused/matrix/fragments.glsl.
#include <algorithm>
#include <numeric>
#include <span>
#include <utility>
#include <vector>

#include "engine/vulkan/compile/staging.h"

namespace dit::vulkan {
namespace {

// Fours of floats of a block that two warps hand each other.
constexpr std::uint32_t fours_a_block = 64;
// Blocks of columns that a warp holds in f32 besides what makes them.
constexpr std::uint32_t most_columns_of_rows = 4;
// Blocks of weights that the L1 cache of a multiprocessor of an NVIDIA H200 holds.
constexpr std::uint32_t cached_blocks = 256;
// Bytes that the L2 cache of an NVIDIA H200 keeps for the next dispatch.
constexpr std::uint64_t result_that_stays = 48 << 20;

/// Whether no tile hangs over the edge of the product.
bool covers(const Tile& tile, const ProductShape& shape) {
  return shape.row_fragments % tile.rows() == 0 && shape.column_fragments % tile.columns() == 0;
}

/// For which parts of a product the kernel is told so. What a driver's compiler makes of the others is slower, by up to
/// a third: measured with NVIDIA's 580, not reasoned.
std::uint32_t exact_parts(const params::Stage& s) {
  if (s.store == STORE_ADD) return 0;
  if (s.store == STORE_SOLVE) return EXACT_RESULT | EXACT_RHS;
  return s.store == STORE_FRAGMENTS && s.activation == 0 ? EXACT_RESULT | EXACT_LHS : EXACT_RESULT;
}

}  // namespace

void Staging::add_lane_attention(params::Stage s) {
  // A warp has a head of 16 queries to itself where there are enough of them to keep the device busy.
  const std::uint32_t warps = options_.invocations / 32, units = s.row_fragments * s.heads;
  const bool alone = units >= 4 * options_.processors && s.token_fragments <= 8;
  s.subgroups_deep = alone ? 1 : warps;
  const std::uint32_t exchange = alone ? 1 : s.token_fragments * fours_a_block;
  expect(exchange * 16 <= options_.shared_bytes && s.head_fragments <= 16, ErrorKind::unsupported,
         "op '{}': {} tokens, heads of {}: more than the matrix kernels hold", label(), s.tokens, s.head_dim);
  s.tiles = divide_up(units, warps / s.subgroups_deep);
  s.down = s.across = s.depth_step = s.lhs_share = 1;
  result_.work.push_back({s, {.subgroups_deep = s.subgroups_deep}, exchange, 1, 1, options_.invocations});
  cost_ += stage_cost + 3000.0 * divide_up(s.tiles, options_.processors);
}

void Staging::add_lane_product(params::Stage s, const Tile& tile, const ProductShape& shape) {
  std::uint32_t exchange = tile.subgroups_deep > 1 ? tile.warps() * tile.down * tile.across * fours_a_block : 1;
  if (s.lhs == LHS_WINDOWS && s.noisy) exchange = std::max(exchange, 4 * s.width);
  if (s.lhs == LHS_ATTENTION) exchange = std::max(exchange, s.heads * s.token_fragments * fours_a_block);
  s.down = tile.down;
  s.across = tile.across;
  s.depth_step = tile.ahead;
  s.lhs_share = s.lhs == LHS_FRAGMENTS ? 1 : tile.made(shape);
  s.exact = covers(tile, shape) ? exact_parts(s) : 0;
  s.by_column = options_.fusion != Fusion::single && s.tiles_across >= 8 &&
                std::uint64_t{s.row_fragments} * s.column_fragments * quads_a_block() * 16 > result_that_stays;
  result_.work.push_back({s, tile, exchange, 1, 1, tile.warps() * 32});
  cost_ += stage_cost + tile_cost(shape, tile, limits());
}

bool Staging::fills_rows(std::size_t at) const {
  const auto* o = op_at<op::GatedLinearAdd>(at);
  const auto* normed = op_at<op::ModulatedLinear>(at + 1);
  if (!o || !normed || normed->x != o->residual || normed->modulation.table != o->modulation.table) return false;
  if (!options_.matrix() || options_.fusion != Fusion::block) return false;
  const std::uint32_t warps = options_.invocations / 32, columns = layout(o->residual).columns.blocks();
  const bool shared_evenly = columns % warps == 0 && columns / warps <= most_columns_of_rows;
  const bool cached = columns * layout(o->x).columns.blocks() <= cached_blocks;
  const std::uint32_t groups = shape(o->residual)[0] * blocks_of(shape(o->residual)[1]);
  return shared_evenly && cached && groups * 8 >= options_.processors;
}

void Staging::add_product_of_rows(params::Stage s) {
  const auto& follows = *next<op::ModulatedLinear>();
  const params::Stage added = s;
  modulate(s, follows.modulation, s.columns, &follows.norm);
  s.gate = added.gate;
  s.aligned = s.aligned && added.aligned;
  s.normed = places_.left;
  const std::uint32_t warps = options_.invocations / 32;
  Tile tile = {.across = s.column_fragments / warps, .subgroups_across = warps};
  tile.ahead = std::gcd(s.depth_fragments, 16 / tile.across);
  s.subgroups_across = warps;
  s.across = tile.across;
  s.depth_step = tile.ahead;
  s.tiles = s.row_fragments;
  std::uint32_t exchange = 1;
  if (s.lhs == LHS_ATTENTION) {
    s.lhs_share = divide_up(s.depth_fragments, warps);
    exchange = s.depth_fragments * quads_a_block();
    if (s.head_fragments > s.lhs_share) exchange += s.heads * s.token_fragments * fours_a_block;
  }
  result_.work.push_back({s, tile, exchange, 1, 1, options_.invocations});
  cost_ += stage_cost + 3000.0 * divide_up(s.tiles, options_.processors);
  norm_done_ = true;
}

std::vector<std::uint32_t> lane_constants(std::span<const StagedWork> works) {
  // What slots share is as large as the largest of them needs.
  std::uint32_t invocations = 32, exchange = 1, keys = 1, head = 1;
  for (const StagedWork& work : works) {
    const params::Stage& s = work.stage;
    invocations = std::max(invocations, work.invocations);
    exchange = std::max(exchange, work.tile_quads);
    if (s.heads == 0) continue;
    keys = std::max(keys, s.token_fragments);
    head = std::max(head, s.head_fragments);
  }
  return {invocations, exchange, keys, head};
}

std::vector<StagedWork> give_slots(StagedProgram& program, const StageOptions& options) {
  std::vector<StagedWork> slots;
  std::vector<std::vector<std::uint32_t>> keys;
  for (StagedWork& work : program.work) {
    const std::uint32_t kind = work.stage.kind;
    if (kind != STAGE_PRODUCT && kind != STAGE_NORM && kind != STAGE_WINDOWS && kind != STAGE_ATTENTION &&
        kind != STAGE_OVERLAP) {
      work.stage.variant = NO_PLACE;
      continue;
    }
    std::vector<std::uint32_t> key = specialization_constants(work, options);
    const auto known = std::find(keys.begin(), keys.end(), key);
    work.stage.variant = static_cast<std::uint32_t>(known - keys.begin());
    if (known != keys.end()) continue;
    keys.push_back(std::move(key));
    slots.push_back(work);
  }
  expect(slots.size() <= VARIANTS_LIMIT, ErrorKind::unsupported,
         "one dispatch of all stages serves {} kinds of them on matrix hardware, the model needs {}", VARIANTS_LIMIT,
         slots.size());
  return slots;
}

}  // namespace dit::vulkan
