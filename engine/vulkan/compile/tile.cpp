// SPDX-License-Identifier: MIT
#include "engine/vulkan/compile/tile.h"

#include <algorithm>
#include <numeric>

#include "engine/error.h"
#include "engine/vulkan/compile/kernel_call.h"
#include "engine/vulkan/compile/tiles/matrix_tiles.h"
#include "engine/vulkan/compile/tiles/portable_tiles.h"

namespace dit::vulkan {
namespace {

// Fours of floats of a fragment that two subgroups hand each other.
constexpr std::uint32_t fours_a_fragment = 64;

TileLimits limits_of(const Target& target) {
  const std::uint32_t subgroups = target.subgroups();
  const std::uint32_t sum_bytes = std::max(subgroups * 256, target.invocations) * 4;
  return {.subgroups = subgroups,
          .processors = target.processors,
          .quads_a_fragment = target.quads_a_fragment(),
          .tile_quads = (target.shared_bytes - sum_bytes) / 16,
          .chunk_quads = (target.shared_bytes - target.invocations * 4) / 16,
          .persistent = target.fusion == Fusion::persistent};
}

double cost_of(const ProductShape& shape, const Tile& tile, const Target& target) {
  const Costs& costs = target.table.costs;
  return target.matrix() ? matrix_tile_cost(shape, tile, limits_of(target), costs.matrix)
                         : portable_tile_cost(shape, tile, limits_of(target), costs.portable);
}

ProductShape shape_of(const Product& product, Lhs lhs) {
  return {.row_fragments = product.row_fragments(),
          .column_fragments = product.columns.fragments(),
          .depth_fragments = product.depth.fragments(),
          .lhs_prologue = lhs != Lhs::fragments,
          .most_rows = lhs == Lhs::attention ? 1 : UINT32_MAX};
}

/// What was measured faster than the costs would choose, where the kernel can run it.
const Tile* measured_tile(const ProductShape& shape, const Target& target, const std::vector<Tile>& possible) {
  for (const MeasuredTile& m : target.table.tiles) {
    const bool same = m.precision == target.precision && m.processors == target.processors && m.shape == shape;
    if (!same || target.fusion == Fusion::persistent) continue;
    const auto found = std::ranges::find(possible, m.tile);
    if (found != possible.end()) return &*found;
  }
  return nullptr;
}

class Tiling {
 public:
  Tiling(const Program& program, const Target& target)
      : program_(program), target_(target), columns_(column_groups(program)) {}

  TiledGroup make(const Group& group) const {
    TiledGroup t = {.group = group, .tile = {}, .invocations = target_.invocations};
    switch (group.work) {
      case Work::product:
        product(t);
        return t;
      case Work::norm:
      case Work::windows:
        maker(t);
        return t;
      case Work::attention:
        attention(t);
        return t;
      case Work::head:
        head(t);
        return t;
      default:
        t.tiles = divide_up(pointwise_invocations(group), target_.invocations);
        return t;
    }
  }

 private:
  const Shape& shape(TensorId id) const { return program_.tensor(id).shape; }
  const std::string& label(const Group& group) const { return program_.step[group.op].label; }
  const AttentionShape attention_of(std::size_t op) const {
    return attention_shape(program_, *op_at<op::Attention>(program_, op));
  }
  /// Eights of a row that each of its invocations keeps while `row_fragments` of rows are normed: all, as far as
  /// registers go.
  std::uint32_t row_eights(std::uint32_t depth_fragments, std::uint32_t row_fragments) const {
    const std::uint32_t all = divide_up(depth_fragments * 2, target_.invocations / (16 * row_fragments));
    return std::min(target_.table.costs.portable.kept_eights, all);
  }
  std::uint64_t pointwise_invocations(const Group& group) const;

  void product(TiledGroup& t) const;
  void portable_product(TiledGroup& t, const ProductShape& shape) const;
  void matrix_product(TiledGroup& t, const Product& product, const ProductShape& shape) const;
  void product_of_rows(TiledGroup& t, const Product& product) const;
  void maker(TiledGroup& t) const;
  void attention(TiledGroup& t) const;
  void head(TiledGroup& t) const;
  void matrix_attention(TiledGroup& t, const AttentionShape& s) const;

  const Program& program_;
  const Target& target_;
  const std::vector<ColumnGroups> columns_;
};

std::uint64_t Tiling::pointwise_invocations(const Group& group) const {
  const AnyOp& op = program_.step[group.op].what;
  const auto fours_of_icons = [&](TensorId x) {
    const std::uint32_t batch = program_.shape.batch;
    return divide_up(element_count(shape(x)) / batch, 4) * std::uint64_t{batch};
  };
  switch (group.work) {
    case Work::noise:
      return fours_of_icons(std::get<op::Noise>(op).x);
    case Work::begin:
      return fours_of_icons(std::get<op::Begin>(op).x);
    case Work::hold:
      return fours_of_icons(std::get<op::Hold>(op).x);
    case Work::solve:
      return fours_of_icons(std::get<op::Combine>(op).x);
    case Work::overlap:
      return element_count(shape(std::get<op::Final>(op).y));
    case Work::rgba: {
      const Shape& image = shape(std::get<op::ToRgba>(op).x);
      return std::uint64_t{image[0]} * image[2] * image[3];
    }
    default: {  // fours of a fragment of a product: 64
      const Product product = product_of(program_, columns_, group.op);
      return std::uint64_t{product.row_fragments()} * product.columns.fragments() * 64;
    }
  }
}

void Tiling::product(TiledGroup& t) const {
  const Product product = product_of(program_, columns_, t.group.op);
  if (t.group.next_norm) {
    product_of_rows(t, product);
    return;
  }
  const bool attends = t.group.lhs == Lhs::attention;
  const ProductShape shape = shape_of(product, t.group.lhs);
  t.tile = choose_tile(shape, target_);
  t.tiles_across = t.tile.count_across(shape);
  t.tiles = t.tile.count(shape);
  if (attends) t.head_group = attention_of(*t.group.attention).heads;
  if (target_.matrix()) {
    matrix_product(t, product, shape);
  } else {
    portable_product(t, shape);
  }
}

void Tiling::portable_product(TiledGroup& t, const ProductShape& shape) const {
  const std::uint32_t fragment = target_.quads_a_fragment();
  Tile& tile = t.tile;
  t.shared_quads = tile.chunk > 0 ? tile.chunk_quads(fragment) : 1;
  if (shape.lhs_prologue) t.shared_quads = tile.rows() * shape.depth_fragments * fragment;
  t.shared_floats = 0;
  if (t.group.lhs == Lhs::attention) {
    const AttentionShape s = attention_of(*t.group.attention);
    t.shared_floats = s.shared_floats(t.head_group, target_.invocations);
    t.shared_quads += t.head_group * s.wide_fragments() * fragment;
  }
  t.invocations = tile.chunk > 0 ? tile.subgroups() * 32 : target_.invocations;
  if (tile.subgroups_deep > 1) {  // which share sums
    const std::uint32_t sum_floats = t.invocations / 32 * 256;
    while (tile.sum_fragments < tile.down * tile.across &&
           t.shared_quads * 16 + 2 * tile.sum_fragments * sum_floats * 4 <= target_.shared_bytes) {
      tile.sum_fragments *= 2;
    }
    t.shared_floats = std::max(t.shared_floats, tile.sum_fragments * sum_floats);
  }
  t.row_eights = shape.lhs_prologue ? row_eights(shape.depth_fragments, tile.rows()) : 1;
}

/// For which parts of a product the kernel is told that no tile hangs over the edge. What a driver's compiler makes of
/// the others is slower, by up to a third: measured with NVIDIA's 580, not reasoned.
std::uint32_t exact_parts(Store store, bool activates) {
  if (store == Store::add) return 0;
  if (store == Store::solve) return EXACT_RESULT | EXACT_RHS;
  return store == Store::fragments && !activates ? EXACT_RESULT | EXACT_LHS : EXACT_RESULT;
}

void Tiling::matrix_product(TiledGroup& t, const Product& product, const ProductShape& shape) const {
  const Tile& tile = t.tile;
  t.shared_quads = tile.subgroups_deep > 1 ? tile.subgroups() * tile.down * tile.across * fours_a_fragment : 1;
  if (t.group.lhs == Lhs::windows && t.group.noisy)
    t.shared_quads = std::max(t.shared_quads, 4 * product.depth.columns);
  if (t.group.lhs == Lhs::attention) {
    const AttentionShape s = attention_of(*t.group.attention);
    t.shared_quads = std::max(t.shared_quads, s.heads * s.key_fragments() * fours_a_fragment);
  }
  t.lhs_share = shape.lhs_prologue ? tile.lhs_share(shape) : 1;
  const auto* linear = op_at<op::ModulatedLinear>(program_, t.group.op);
  const bool activates = t.group.activates && linear && linear->activation != Activation::none;
  t.exact = tile.covers(shape) ? exact_parts(t.group.store, activates) : 0;
  const std::uint64_t result_bytes =
      std::uint64_t{shape.row_fragments} * shape.column_fragments * target_.quads_a_fragment() * 16;
  t.by_column = target_.fusion != Fusion::persistent && t.tiles_across >= 8 &&
                result_bytes > target_.table.costs.matrix.cached_result_bytes;
  t.invocations = tile.subgroups() * 32;
}

void Tiling::product_of_rows(TiledGroup& t, const Product& product) const {
  const std::uint32_t subgroups = target_.subgroups(), depth = product.depth.fragments();
  t.tile = {.across = product.columns.fragments() / subgroups, .subgroups_across = subgroups};
  t.tile.depth_step = std::gcd(depth, 16 / t.tile.across);
  t.tiles = product.row_fragments();
  if (t.group.lhs != Lhs::attention) return;
  const AttentionShape s = attention_of(*t.group.attention);
  t.head_group = s.heads;
  t.lhs_share = divide_up(depth, subgroups);
  t.shared_quads = depth * target_.quads_a_fragment();
  if (s.head_fragments() > t.lhs_share) t.shared_quads += s.heads * s.key_fragments() * fours_a_fragment;
}

void Tiling::maker(TiledGroup& t) const {
  const Product product = product_of(program_, columns_, t.group.op);
  const std::uint32_t depth = product.depth.fragments();
  t.tiles = product.row_fragments();
  if (!target_.matrix()) {
    t.shared_floats = target_.invocations;
    t.row_eights = row_eights(depth, 1);
    return;
  }
  t.tile = {.subgroups_deep = target_.subgroups()};
  t.lhs_share = t.tile.lhs_share({.depth_fragments = depth});
  expect(t.lhs_share <= 2 * most_lhs_share, ErrorKind::unsupported,
         "op '{}': rows of {} fragments; the matrix kernels serve {}", label(t.group), depth,
         2 * most_lhs_share * t.tile.subgroups());
  if (t.group.work == Work::windows && t.group.noisy) t.shared_quads = 4 * product.depth.columns;
}

void Tiling::attention(TiledGroup& t) const {
  const AttentionShape s = attention_of(t.group.op);
  if (target_.matrix()) {
    matrix_attention(t, s);
    return;
  }
  const auto quads = [&](std::uint32_t group) { return group * s.wide_fragments() * target_.quads_a_fragment(); };
  const auto fits = [&](std::uint32_t group) {
    return s.heads % group == 0 && target_.invocations % (16 * group) == 0 &&
           s.shared_floats(group, target_.invocations) * 4 + quads(group) * 16 <= target_.shared_bytes;
  };
  expect(fits(1), ErrorKind::unsupported, "op '{}': {} keys, heads of {}: more than {} bytes of shared memory",
         label(t.group), s.keys(), s.head_dim, target_.shared_bytes);
  // Several heads at a time where there are workgroups enough.
  t.head_group = 1;
  while (s.row_fragments() * s.heads / (2 * t.head_group) >= 2 * target_.processors && fits(2 * t.head_group))
    t.head_group *= 2;
  t.tiles = s.row_fragments() * (s.heads / t.head_group);
  t.shared_quads = quads(t.head_group);
  t.shared_floats = s.shared_floats(t.head_group, target_.invocations);
}

void Tiling::head(TiledGroup& t) const {
  const HeadShape shape = *head_at(program_, *t.group.head);
  t.head = *choose_head_tile(shape, target_);
  t.tiles = t.head.count(shape);
  t.shared_quads = t.head.shared_quads(shape);
}

void Tiling::matrix_attention(TiledGroup& t, const AttentionShape& s) const {
  // A subgroup has a head of 16 queries to itself where there are enough of them to keep the device busy.
  const std::uint32_t subgroups = target_.subgroups(), units = s.row_fragments() * s.heads;
  const bool alone = units >= 4 * target_.processors && s.key_fragments() <= 8;
  t.tile = {.subgroups_deep = alone ? 1 : subgroups};
  t.head_group = 1;
  t.shared_quads = alone ? 1 : s.key_fragments() * fours_a_fragment;
  expect(t.shared_quads * 16 <= target_.shared_bytes && s.head_fragments() <= 16, ErrorKind::unsupported,
         "op '{}': {} keys, heads of {}: more than the matrix kernels hold", label(t.group), s.keys(), s.head_dim);
  t.tiles = divide_up(units, subgroups / t.tile.subgroups_deep);
}

}  // namespace

std::vector<Tile> possible_tiles(const ProductShape& shape, const Target& target) {
  return target.matrix() ? matrix_tiles(shape, limits_of(target), target.table.costs.matrix)
                         : portable_tiles(shape, limits_of(target), target.table.costs.portable);
}

Tile choose_tile(const ProductShape& shape, const Target& target) {
  const std::vector<Tile> tiles = possible_tiles(shape, target);
  if (target.forced && std::ranges::find(tiles, *target.forced) != tiles.end()) return *target.forced;
  expect(!tiles.empty(), ErrorKind::unsupported, "product: no tile of {} fragments of depth fits in shared memory",
         shape.depth_fragments);
  if (const Tile* measured = measured_tile(shape, target, tiles)) return *measured;
  return *std::ranges::min_element(tiles, {}, [&](const Tile& t) { return cost_of(shape, t, target); });
}

std::optional<double> product_cost(const Program& program, const std::vector<ColumnGroups>& columns, std::size_t op,
                                   const Target& target, bool with_prologue) {
  const ProductShape shape = shape_of(product_of(program, columns, op), with_prologue ? Lhs::norm : Lhs::fragments);
  if (possible_tiles(shape, target).empty()) return std::nullopt;
  return cost_of(shape, choose_tile(shape, target), target);
}

ProductShape shape_of(const Program& program, const Group& group) {
  return shape_of(product_of(program, column_groups(program), group.op), group.lhs);
}

TiledProgram tile(const Program& program, const FusedProgram& fused, const Target& target) {
  TiledProgram result;
  result.ops = fused.ops;
  if (target.plain()) {  // whose kernels have sizes of their own
    for (const Group& group : fused.groups) result.groups.push_back({.group = group, .tile = {}});
    return result;
  }
  const Tiling tiling(program, target);
  for (const Group& group : fused.groups) result.groups.push_back(tiling.make(group));
  return result;
}

}  // namespace dit::vulkan
