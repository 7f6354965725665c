// SPDX-License-Identifier: MIT
#include "engine/vulkan/compile/stages.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <optional>
#include <utility>

#include "engine/vulkan/compile/staging.h"

namespace dit::vulkan {

params::Stage Staging::make_stage(std::uint32_t kind, std::uint32_t rows, std::uint32_t tokens) const {
  params::Stage s{};
  s.kind = kind;
  s.rows = rows;
  s.tokens = tokens;
  s.token_fragments = blocks_of(tokens);
  s.row_fragments = rows * s.token_fragments;
  s.bias = s.gate = s.qk_weight = s.position = s.turned_from = s.normed = NO_PLACE;
  s.batch = program_.shape.batch;
  s.guided = program_.shape.guided;
  s.subgroups_down = s.subgroups_across = s.subgroups_deep = s.tiles_across = 1;
  s.down = s.across = s.depth_step = s.lhs_share = 1;
  return s;
}

void Staging::image(params::Stage& s, const Shape& image, TensorId x) const {
  s.channels = image[1];
  s.height = image[2];
  s.image_width = image[3];
  if (x != no_tensor) s.image = places_.tensor(x);
}

void Staging::modulate(params::Stage& s, const op::Modulation& m, std::uint32_t width, const Norm* norm) const {
  s.table = places_.tensor(m.table) * 4;
  s.table_columns = shape(m.table)[1];
  s.shift = m.shift;
  s.scale = m.scale;
  s.gate = m.gate == op::no_column ? NO_PLACE : m.gate;
  const std::uint32_t gate = norm || s.gate == NO_PLACE ? 0 : s.gate;
  s.aligned = ((norm ? m.shift | m.scale : gate) | s.table_columns | width) % 4 == 0;
  if (!norm) return;
  s.width = width;
  s.eps_bits = std::bit_cast<std::uint32_t>(norm->eps);
  s.eps_outside = norm->eps_outside;
  s.centred = norm->type == Norm::Type::layer;
  s.divisor = width - (s.centred && norm->unbiased ? 1 : 0);
}

void Staging::matrix(params::Stage& s, TensorId weight, TensorId bias, ColumnGroups rows, ColumnGroups columns) {
  s.weight = result_.packing.matrix(name(weight), rows, columns);
  if (bias != no_tensor) s.bias = result_.packing.floats(name(bias), rows);
  s.column_fragments = rows.blocks();
  s.columns = rows.columns;
  s.depth_fragments = columns.blocks();
}

void Staging::add_pointwise(params::Stage s, std::uint64_t invocations) {
  s.tiles = divide_up(invocations, options_.invocations);
  result_.work.push_back({s, {}, 1, 1});
  cost_ += stage_cost;
}

bool Staging::stage(const op::Noise& o) {
  const auto* embed = next<op::Embed>();
  noise_waits_ = fused() && embed && embed->x == o.x && embed->window == embed->patch && embed->patch % 4 == 0;
  // On matrix hardware the noise of 16 tokens passes through shared memory.
  if (noise_waits_ && options_.matrix()) noise_waits_ = shape(embed->weight)[1] * 64 <= options_.shared_bytes / 2;
  if (noise_waits_) return false;
  params::Stage s = make_stage(STAGE_NOISE, program_.shape.batch, 1);
  image(s, shape(o.x), o.x);
  add_pointwise(s, divide_up(element_count(shape(o.x)) / s.batch, 4) * std::uint64_t{s.batch});
  return true;
}

bool Staging::stage(const op::Embed& o) {
  const std::uint32_t features = shape(o.weight)[1];
  params::Stage s = make_stage(STAGE_PRODUCT, shape(o.y)[0], shape(o.y)[1]);
  image(s, shape(o.x), o.x);
  matrix(s, o.weight, o.bias, layout(o.y).columns, {features, features});
  s.store = STORE_EMBED;
  s.y = places_.tensor(o.y);
  s.width = features;
  s.patch_size = o.patch;
  s.window_size = o.window;
  s.aligned = o.window == o.patch && o.patch % 4 == 0;
  s.noisy = noise_waits_;
  s.position = result_.packing.rows(name(o.position), s.tokens, layout(o.y).columns);
  add_made_product(s, STAGE_WINDOWS);
  return true;
}

bool Staging::stage(const op::ModulatedLinear& o) {
  const std::uint32_t width = shape(o.x)[2];
  params::Stage s = make_stage(STAGE_PRODUCT, shape(o.y)[0], shape(o.y)[1]);
  s.a = places_.tensor(o.x);
  s.y = places_.tensor(o.y);
  s.store = STORE_FRAGMENTS;
  s.turned_from = layout(o.y).turned_from;
  s.activation = split() ? 0 : activation_number(o.activation);
  matrix(s, o.weight, o.bias, layout(o.y).columns, {width, width});
  modulate(s, o.modulation, width, &o.norm);
  if (std::exchange(norm_done_, false)) {
    s.a = places_.left;
    add_product(s);
  } else {
    add_made_product(s, STAGE_NORM);
  }
  if (split() && o.activation != Activation::none) {
    params::Stage act = make_stage(STAGE_ACTIVATE, s.rows, s.tokens);
    act.y = s.y;
    act.column_fragments = s.column_fragments;
    act.activation = activation_number(o.activation);
    add_pointwise(act, std::uint64_t{act.row_fragments} * act.column_fragments * 64);
  }
  return true;
}

void Staging::attention_fields(params::Stage& s, const op::Attention& o) {
  const std::uint32_t head_dim = shape(o.y)[2] / o.heads;
  s.a = places_.tensor(o.qkv);
  s.heads = o.heads;
  s.head_dim = head_dim;
  s.head_fragments = blocks_of(head_dim);
  s.head_group = 1;
  s.eps_bits = std::bit_cast<std::uint32_t>(o.norm_eps);
  s.score_scale = std::bit_cast<std::uint32_t>(1.0f / std::sqrt(static_cast<float>(head_dim)));
  if (o.q_norm != no_tensor) s.qk_weight = result_.packing.product(name(o.q_norm), name(o.k_norm), head_dim);
}

bool Staging::stage(const op::Attention& o) {
  params::Stage s = make_stage(STAGE_ATTENTION, shape(o.y)[0], shape(o.y)[1]);
  attention_fields(s, o);
  s.y = places_.tensor(o.y);
  const auto* follows = next<op::GatedLinearAdd>();
  // Each tile of the product computes the attention of its rows anew, so that pays for few heads and few tiles only.
  // So does a product of whole rows, but then once.
  const bool few = o.heads <= 2 && (s.row_fragments * 16 <= options_.processors || fills_rows(at_ + 1));
  if (fused() && follows && follows->x == o.y && few && attention_fits_product(s)) {
    attention_waits_ = &o;
    return false;
  }
  add_attention(s);
  return true;
}

bool Staging::stage(const op::GatedLinearAdd& o) {
  params::Stage s = make_stage(STAGE_PRODUCT, shape(o.residual)[0], shape(o.residual)[1]);
  s.a = places_.tensor(o.x);
  s.y = places_.tensor(o.residual);
  s.store = STORE_ADD;
  const ColumnGroups columns = layout(o.residual).columns;
  matrix(s, o.weight, o.bias, columns, layout(o.x).columns);
  modulate(s, o.modulation, columns.columns, nullptr);
  if (attention_waits_) {
    attention_fields(s, *std::exchange(attention_waits_, nullptr));
    s.lhs = LHS_ATTENTION;
    s.head_group = s.heads;
    s.scratch = s.depth_fragments * quads_a_block();
  }
  if (fills_rows(at_)) {
    add_product_of_rows(s);
    return true;
  }
  if (s.lhs == LHS_ATTENTION) {
    add_product(s, 1);
    return true;
  }
  if (!split()) {
    add_product(s);
    return true;
  }
  params::Stage add = s;
  s.store = STORE_ROWS;
  s.y = add.a = places_.rows;
  add_product(s);
  add.kind = STAGE_ADD;
  add_pointwise(add, std::uint64_t{add.row_fragments} * 16 * add.column_fragments * 4);
  return true;
}

bool Staging::solves(const op::Final& o) const {
  const auto* combine = next<op::Combine>();
  return fused() && combine && combine->prediction == o.y && !program_.shape.guided &&
         (o.window > o.patch || o.patch % 4 == 0);
}

bool Staging::stage(const op::Final& o) {
  const std::uint32_t width = shape(o.x)[2], features = shape(o.weight)[0];
  params::Stage s = make_stage(STAGE_PRODUCT, shape(o.x)[0], shape(o.x)[1]);
  s.a = places_.tensor(o.x);
  image(s, shape(o.y), no_tensor);
  s.patch_size = o.patch;
  s.window_size = o.window;
  matrix(s, o.weight, o.bias, {features, features}, {width, width});
  modulate(s, o.modulation, width, &o.norm);
  const bool overlap = o.window > o.patch, solved = solves(o);
  if (solved) {
    const auto* combine = next<op::Combine>();
    s.image = places_.tensor(combine->x);
    s.history = places_.tensor(combine->history);
  }
  s.store = overlap ? STORE_ROWS : solved ? STORE_SOLVE : STORE_IMAGE;
  s.y = overlap ? places_.rows : places_.tensor(o.y);
  add_made_product(s, STAGE_NORM);
  if (overlap) {
    params::Stage sum = s;
    sum.kind = STAGE_OVERLAP;
    sum.store = solved ? STORE_SOLVE : STORE_IMAGE;
    sum.a = places_.rows;
    sum.y = places_.tensor(o.y);
    sum.depth_fragments = s.column_fragments;  // pitch of the rows
    add_pointwise(sum, element_count(shape(o.y)));
  }
  if (solved) final_done_ = &o;
  return !solved;
}

bool Staging::stage(const op::Combine& o) {
  if (std::exchange(final_done_, nullptr)) {
    // The stages are there already; this op is the one whose output they show.
    result_.ops.push_back({at_, static_cast<std::uint32_t>(result_.work.size()) - waiting_,
                           static_cast<std::uint32_t>(result_.work.size())});
    waiting_ = 0;
    return true;
  }
  params::Stage s = make_stage(STAGE_SOLVE, program_.shape.batch, 1);
  image(s, shape(o.x), o.x);
  s.a = places_.tensor(o.prediction);
  s.history = places_.tensor(o.history);
  add_pointwise(s, divide_up(element_count(shape(o.x)) / s.batch, 4) * std::uint64_t{s.batch});
  return true;
}

bool Staging::stage(const op::ToRgba& o) {
  params::Stage s = make_stage(STAGE_RGBA, program_.shape.batch, 1);
  image(s, shape(o.x), o.x);
  s.premultiplied = o.premultiplied;
  s.round_down = o.rounding == Rounding::floor;
  add_pointwise(s, std::uint64_t{s.batch} * s.height * s.image_width);
  return true;
}

StagedProgram stage_program(const Program& program, const StageOptions& options, const StageLayouts& layouts,
                            const StagePlaces& places) {
  if (options.fusion != Fusion::single || options.matrix())
    return Staging(program, options, layouts, places, nullptr).make();
  // One kernel runs all products, so they share the tile of a warp: the one that is cheapest for all together.
  std::optional<StagedProgram> best;
  double least = 0;
  for (const Tile& warp : possible_tiles({}, {.warps = 1, .tile_quads = 1u << 20, .matrix = options.matrix()})) {
    try {
      Staging staging(program, options, layouts, places, &warp);
      StagedProgram made = staging.make();
      if (best && staging.cost() >= least) continue;
      best = std::move(made);
      least = staging.cost();
    } catch (const Error&) {
      // This warp's tile leaves no room for some left side.
    }
  }
  expect(best.has_value(), ErrorKind::unsupported, "no tile serves all products of the model in one dispatch");
  return std::move(*best);
}

}  // namespace dit::vulkan
