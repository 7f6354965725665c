// SPDX-License-Identifier: MIT
// The sizes of stages: tiles of products, heads of attention, shared memory of both.
#include <algorithm>
#include <optional>

#include "engine/vulkan/compile/staging.h"

namespace dit::vulkan {

TileLimits Staging::limits() const {
  const std::uint32_t warps = options_.invocations / 32;
  const std::uint32_t floats = std::max(warps * 256, options_.invocations) * 4;
  return {.warps = warps,
          .processors = options_.processors,
          .quads_a_block = quads_a_block(),
          .tile_quads = (options_.shared_bytes - floats) / 16,
          .matrix = options_.matrix(),
          .same_warps = options_.fusion == Fusion::single};
}

std::uint32_t Staging::attention_floats(const params::Stage& s) const {
  const std::uint32_t sums = s.head_group * std::max(s.token_fragments, s.head_fragments) * 256;
  return sums + s.head_group * (s.token_fragments + 1) * 16 + 2 * options_.invocations;
}

void Staging::add_attention(params::Stage s) {
  if (options_.matrix()) {
    add_lane_attention(s);
    return;
  }
  // Several heads at a time where there are workgroups enough.
  const auto fits = [&](std::uint32_t group) {
    s.head_group = group;
    const std::uint32_t quads = group * std::max(s.token_fragments, s.head_fragments) * quads_a_block();
    return s.heads % group == 0 && options_.invocations % (16 * group) == 0 &&
           attention_floats(s) * 4 + quads * 16 <= options_.shared_bytes;
  };
  expect(fits(1), ErrorKind::unsupported, "op '{}': {} tokens, heads of {}: more than {} bytes of shared memory",
         label(), s.tokens, s.head_dim, options_.shared_bytes);
  std::uint32_t group = 1;
  while (s.row_fragments * s.heads / (2 * group) >= 2 * options_.processors && fits(2 * group)) group *= 2;
  s.head_group = group;
  s.tiles = s.row_fragments * (s.heads / group);
  const std::uint32_t quads = group * std::max(s.token_fragments, s.head_fragments) * quads_a_block();
  result_.work.push_back({s, {}, quads, attention_floats(s)});
  cost_ += stage_cost + 3000.0 * divide_up(s.tiles, options_.processors);
}

bool Staging::attention_fits_product(const params::Stage& attention) const {
  params::Stage s = attention;
  s.head_group = s.heads;
  if (options_.matrix()) {
    // Each warp makes blocks of one head alone, in a tile of either number of warps.
    for (const std::uint32_t warps : {options_.invocations / 64, options_.invocations / 32}) {
      const Tile deep = {.subgroups_deep = warps};
      const std::uint32_t made = deep.made({.depth_fragments = s.heads * s.head_fragments});
      if (made > most_made_blocks || s.head_fragments % made != 0) return false;
    }
    // Scores, and attention where a product of whole rows hands it round.
    return s.heads * (s.token_fragments * 1024 + s.head_fragments * 512) <= options_.shared_bytes;
  }
  const std::uint32_t left = s.heads * s.head_fragments * quads_a_block();
  const std::uint32_t scratch = s.heads * std::max(s.token_fragments, s.head_fragments) * quads_a_block();
  return options_.invocations % (16 * s.heads) == 0 &&
         (left + scratch) * 16 + std::max(attention_floats(s), options_.invocations * 8) * 4 <= options_.shared_bytes;
}

void Staging::add_product(params::Stage s, std::uint32_t most_rows) {
  const bool made = s.lhs != LHS_FRAGMENTS;
  const ProductShape shape = {.row_fragments = s.row_fragments,
                              .column_fragments = s.column_fragments,
                              .depth_fragments = s.depth_fragments,
                              .left_made = made,
                              .most_rows = most_rows};
  Tile tile = choose(shape);
  s.subgroups_down = tile.subgroups_down;
  s.subgroups_across = tile.subgroups_across;
  s.subgroups_deep = tile.subgroups_deep;
  s.tiles_across = tile.count_across(shape);
  s.tiles = tile.count(shape);
  if (options_.matrix()) {
    add_lane_product(s, tile, shape);
    return;
  }
  std::uint32_t quads = tile.chunk > 0 ? tile.staged_quads(quads_a_block()) : 1;
  if (made) quads = tile.rows() * s.depth_fragments * quads_a_block();
  std::uint32_t floats = 0;
  if (s.lhs == LHS_ATTENTION) {
    floats = attention_floats(s);
    quads += s.head_group * std::max(s.token_fragments, s.head_fragments) * quads_a_block();
  }
  // One kernel of all stages has room for the least alone.
  const std::uint32_t invocations = tile.chunk > 0 ? tile.warps() * 32 : options_.invocations;
  const std::uint32_t slot_floats = invocations / 32 * 256;
  while (!like_ && tile.slots < tile.down * tile.across &&
         quads * 16 + 2 * tile.slots * slot_floats * 4 <= options_.shared_bytes) {
    tile.slots *= 2;
  }
  floats = std::max(floats, tile.slots * slot_floats);
  result_.work.push_back({s, tile, quads, floats, made ? held(s.depth_fragments, tile.rows()) : 1, invocations});
  cost_ += stage_cost + tile_cost(shape, tile, limits());
}

void Staging::add_made_product(const params::Stage& s, std::uint32_t maker) {
  ProductShape shape = {.row_fragments = s.row_fragments,
                        .column_fragments = s.column_fragments,
                        .depth_fragments = s.depth_fragments,
                        .left_made = true};
  const auto cheapest = [&](bool made) -> std::optional<double> {
    shape.left_made = made;
    try {
      return tile_cost(shape, choose(shape), limits());
    } catch (const Error&) {
      return std::nullopt;
    }
  };
  const std::optional<double> together = cheapest(true), apart = cheapest(false);
  const double making = stage_cost + 1500.0 * divide_up(s.row_fragments, options_.processors);
  const bool fuse = !split() && together && (!fused() || !apart || *together <= *apart + making);
  params::Stage last = s;
  if (fuse) {
    last.lhs = maker == STAGE_NORM ? LHS_NORM : LHS_WINDOWS;
  } else {
    add_maker(s, maker);
    cost_ += making;
    last.a = places_.left;
    last.lhs = LHS_FRAGMENTS;
  }
  add_product(last);
}

void Staging::add_maker(const params::Stage& s, std::uint32_t maker) {
  params::Stage first = s;
  first.kind = maker;
  first.y = places_.left;
  first.tiles = s.row_fragments;
  if (!options_.matrix()) {
    result_.work.push_back({first, {}, 1, options_.invocations, held(s.depth_fragments, 1)});
    return;
  }
  const Tile all = {.subgroups_deep = options_.invocations / 32};
  const std::uint32_t made = all.made({.depth_fragments = s.depth_fragments});
  expect(made <= 2 * most_made_blocks, ErrorKind::unsupported,
         "op '{}': rows of {} blocks; the matrix kernels serve {}", label(), s.depth_fragments,
         2 * most_made_blocks * all.warps());
  first.lhs_share = made;
  const std::uint32_t exchange = maker == STAGE_WINDOWS && s.noisy ? 4 * s.width : 1;
  result_.work.push_back({first, all, exchange, 1, 1, options_.invocations});
}

}  // namespace dit::vulkan
