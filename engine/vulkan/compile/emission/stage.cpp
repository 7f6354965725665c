// SPDX-License-Identifier: MIT
#include "engine/vulkan/compile/emission/stage.h"

#include <bit>
#include <cmath>

#include "engine/error.h"

namespace dit::vulkan {

params::Stage StageWriter::blank(Work work, std::uint32_t rows, std::uint32_t tokens) const {
  params::Stage s{};
  s.kind = static_cast<std::uint32_t>(work);
  s.rows = rows;
  s.tokens = tokens;
  s.token_fragments = fragments_of(tokens);
  s.row_fragments = rows * s.token_fragments;
  s.bias = s.gate = s.qk_weight = s.position = s.turned_from = s.normed = NO_PLACE;
  s.batch = program_.shape.batch;
  s.guided = program_.shape.guided;
  s.subgroups_down = s.subgroups_across = s.subgroups_deep = s.tiles_across = 1;
  s.down = s.across = s.depth_step = s.lhs_share = 1;
  return s;
}

void StageWriter::image(params::Stage& s, const Shape& image, TensorId x) const {
  s.channels = image[1];
  s.height = image[2];
  s.image_width = image[3];
  if (x != no_tensor) s.image = places_.tensor(x);
}

void StageWriter::modulation(params::Stage& s, const op::Modulation& m, std::uint32_t width, const Norm* norm) const {
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

void StageWriter::product(params::Stage& s, const Product& product) {
  s.weight = packing_.matrix(name(product.weight), product.columns, product.depth);
  if (product.bias != no_tensor) s.bias = packing_.floats(name(product.bias), product.columns);
  s.column_fragments = product.columns.fragments();
  s.columns = product.columns.columns;
  s.depth_fragments = product.depth.fragments();
}

void StageWriter::attention(params::Stage& s, const op::Attention& o) {
  const AttentionShape shape = attention_shape(program_, o);
  s.a = places_.tensor(o.qkv);
  s.heads = o.heads;
  s.head_dim = shape.head_dim;
  s.head_fragments = shape.head_fragments();
  s.eps_bits = std::bit_cast<std::uint32_t>(o.norm_eps);
  s.score_scale = std::bit_cast<std::uint32_t>(1.0f / std::sqrt(static_cast<float>(s.head_dim)));
  if (o.q_norm != no_tensor) s.qk_weight = packing_.product(name(o.q_norm), name(o.k_norm), s.head_dim);
  if (o.context == no_tensor) return;
  // By the fields that shaders/fused/context.glsl says.
  s.channels = shape.prompt_keys;
  s.height = program_.shape.conditions;
  s.image = places_.tensor(o.context);
  if (o.q_norm != no_tensor) s.history = packing_.floats(name(o.q_norm), {s.head_dim, s.head_dim});
}

params::Stage StageWriter::of(const op::Noise& o, const Group& group) {
  params::Stage s = blank(group.work, program_.shape.batch, 1);
  image(s, shape(o.x), o.x);
  return s;
}

params::Stage StageWriter::of(const op::Linear&, const Group& group) {
  fail(ErrorKind::unsupported, "op '{}': the fused kernels serve no plain product in a step",
       program_.step[group.op].label);
}

params::Stage StageWriter::of(const op::HeadNorm&, const Group& group) {
  fail(ErrorKind::unsupported, "op '{}': the fused kernels serve no norm of its own in a step",
       program_.step[group.op].label);
}

params::Stage StageWriter::of(const op::Conv& o, const Group& group) {
  const Shape& x = shape(o.x);
  params::Stage s = blank(group.work, x[0], x[2] * x[3]);
  image(s, x, o.x);
  s.batch = x[0];  // each row has a map of its own
  if (o.picture != no_tensor) s.history = places_.tensor(o.picture);
  s.patch_size = 1;
  s.window_size = 3;
  product(s, product_of(program_, columns_, group.op));
  s.width = shape(o.weight)[1] * 9;
  s.store = static_cast<std::uint32_t>(group.store);
  s.activation = activation_number(o.activation);
  s.y = places_.tensor(o.y);
  return s;
}

params::Stage StageWriter::of(const op::Embed& o, const Group& group) {
  params::Stage s = blank(group.work, shape(o.y)[0], shape(o.y)[1]);
  image(s, shape(o.x), o.x);
  product(s, product_of(program_, columns_, group.op));
  s.store = STORE_EMBED;
  s.y = places_.tensor(o.y);
  s.width = shape(o.weight)[1];
  s.patch_size = o.patch;
  s.window_size = o.window;
  s.aligned = o.window == o.patch && o.patch % 4 == 0;
  s.noisy = group.noisy;
  s.position = packing_.rows(name(o.position), s.tokens, columns_[o.y]);
  return s;
}

params::Stage StageWriter::of(const op::ModulatedLinear& o, const Group& group) {
  params::Stage s = blank(group.work, shape(o.y)[0], shape(o.y)[1]);
  if (group.work == Work::activate) {
    s.y = places_.tensor(o.y);
    s.column_fragments = columns_[o.y].fragments();
    s.activation = activation_number(o.activation);
    return s;
  }
  s.a = places_.tensor(o.x);
  s.y = places_.tensor(o.y);
  s.store = STORE_FRAGMENTS;
  s.turned_from = layouts_.tensors[o.y].turned_from;
  s.activation = group.activates ? activation_number(o.activation) : 0;
  product(s, product_of(program_, columns_, group.op));
  modulation(s, o.modulation, shape(o.x)[2], &o.norm);
  return s;
}

params::Stage StageWriter::of(const op::Attention& o, const Group& group) {
  params::Stage s = blank(group.work, shape(o.y)[0], shape(o.y)[1]);
  attention(s, o);
  s.y = places_.tensor(o.y);
  return s;
}

params::Stage StageWriter::of(const op::GatedLinearAdd& o, const Group& group) {
  params::Stage s = blank(group.work, shape(o.residual)[0], shape(o.residual)[1]);
  s.a = places_.tensor(o.x);
  s.y = places_.tensor(o.residual);
  s.store = STORE_ADD;
  const op::Attention* attended = group.attention ? op_at<op::Attention>(program_, *group.attention) : nullptr;
  if (attended) attention(s, *attended);
  product(s, product_of(program_, columns_, group.op));
  modulation(s, o.modulation, s.columns, nullptr);
  if (attended) s.scratch = s.depth_fragments * target_.quads_a_fragment();
  if (group.next_norm) add_next_norm(s, *op_at<op::ModulatedLinear>(program_, *group.next_norm));
  if (group.work == Work::add) s.a = places_.row_scratch;
  if (group.store == Store::rows) {
    s.store = STORE_ROWS;
    s.y = places_.row_scratch;
  }
  return s;
}

void StageWriter::add_next_norm(params::Stage& s, const op::ModulatedLinear& next) const {
  const params::Stage added = s;
  modulation(s, next.modulation, s.columns, &next.norm);
  s.gate = added.gate;
  s.aligned = s.aligned && added.aligned;
  s.normed = places_.lhs_scratch;
}

params::Stage StageWriter::of(const op::Final& o, const Group& group) {
  params::Stage s = blank(group.work, shape(o.x)[0], shape(o.x)[1]);
  s.a = places_.tensor(o.x);
  image(s, shape(o.y), no_tensor);
  s.patch_size = o.patch;
  s.window_size = o.window;
  product(s, product_of(program_, columns_, group.op));
  modulation(s, o.modulation, shape(o.x)[2], &o.norm);
  if (group.solver) {
    const auto* combine = op_at<op::Combine>(program_, *group.solver);
    s.image = places_.tensor(combine->x);
    s.history = places_.tensor(combine->history);
  }
  s.store = static_cast<std::uint32_t>(group.store);
  s.y = group.store == Store::rows ? places_.row_scratch : places_.tensor(o.y);
  if (group.work == Work::overlap) {
    s.a = places_.row_scratch;
    s.depth_fragments = s.column_fragments;  // pitch of the rows
  }
  return s;
}

params::Stage StageWriter::of(const op::Combine& o, const Group& group) {
  params::Stage s = blank(group.work, program_.shape.batch, 1);
  image(s, shape(o.x), o.x);
  s.a = places_.tensor(o.prediction);
  s.history = places_.tensor(o.history);
  return s;
}

params::Stage StageWriter::of(const op::ToRgba& o, const Group& group) {
  params::Stage s = blank(group.work, program_.shape.batch, 1);
  image(s, shape(o.x), o.x);
  s.premultiplied = o.premultiplied;
  s.round_down = o.rounding == Rounding::floor;
  return s;
}

void StageWriter::size(params::Stage& s, const TiledGroup& t) const {
  s.tiles = t.tiles;
  s.lhs = static_cast<std::uint32_t>(t.group.lhs);
  if (t.head_group > 0) s.head_group = t.head_group;
  if (t.group.work == Work::norm || t.group.work == Work::windows) {
    s.y = places_.lhs_scratch;
    s.lhs_share = t.lhs_share;
    return;
  }
  if (t.group.lhs_in_scratch) s.a = places_.lhs_scratch;
  if (t.group.work != Work::product && !(t.group.work == Work::attention && target_.matrix())) return;
  s.subgroups_down = t.tile.subgroups_down;
  s.subgroups_across = t.tile.subgroups_across;
  s.subgroups_deep = t.tile.subgroups_deep;
  s.tiles_across = t.tiles_across;
  if (!target_.matrix()) return;
  s.down = t.tile.down;
  s.across = t.tile.across;
  s.depth_step = t.tile.depth_step;
  s.lhs_share = t.lhs_share;
  s.exact = t.exact;
  s.by_column = t.by_column;
}

params::Stage StageWriter::write(const TiledGroup& t) {
  params::Stage s = std::visit([&](const auto& o) { return of(o, t.group); }, program_.step[t.group.op].what);
  size(s, t);
  return s;
}

}  // namespace dit::vulkan
