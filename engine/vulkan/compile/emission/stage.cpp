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

void StageWriter::product(params::Stage& s, const Product& product, Order weight, Order bias) {
  s.weight = packing_.matrix(name(product.weight), product.columns, product.depth, weight);
  if (product.bias != no_tensor) s.bias = packing_.floats(name(product.bias), product.columns, bias);
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

/// By the fields that shaders/fused/matrix/head.glsl says.
params::Stage StageWriter::head(const Group& group) {
  const HeadShape shape = *head_at(program_, *group.head);
  const op::Conv &first = *op_at<op::Conv>(program_, shape.first), &last = *op_at<op::Conv>(program_, shape.last);
  params::Stage s = blank(group.work, shape.rows, shape.height * shape.width);
  s.a = places_.tensor(first.x);
  s.channels = shape.map;
  s.height = shape.height;
  s.image_width = shape.width;
  if (first.picture != no_tensor) s.image = places_.tensor(first.picture);
  s.width = shape.beside;
  s.head_dim = shape.hidden;
  s.head_group = shape.layers();
  s.columns = shape.predicted;
  s.activation = activation_number(first.activation);
  s.y = places_.tensor(last.y);
  head_weights(s, shape);
  return s;
}

void StageWriter::head_weights(params::Stage& s, const HeadShape& shape) {
  // The kernel finds each piece behind the one before.
  std::uint32_t next = 0;
  const auto behind = [&](std::uint32_t place, std::uint32_t fragments) {
    expect(next == 0 || next == place, ErrorKind::unsupported, "op '{}': weights that another op shares",
           program_.step[shape.last].label);
    next = place + fragments * target_.quads_a_fragment();
    return place;
  };
  const std::uint32_t hidden = shape.hidden, map = shape.map, words = shape.beside_words();
  for (std::size_t i = shape.first; i <= shape.last; ++i) {
    const op::Conv& o = *op_at<op::Conv>(program_, i);
    const std::uint32_t outputs = i < shape.last ? hidden : shape.predicted, rows = fragments_of(outputs);
    const std::uint32_t inputs = this->shape(o.weight)[1], each = inputs * 9;
    const std::uint64_t size = std::uint64_t{outputs} * each;
    const std::uint32_t channels = i == shape.first ? map : hidden;
    const std::uint32_t place = behind(packing_.matrix(name(o.weight), {outputs, outputs}, {9 * channels, channels},
                                                       {{{outputs, each}, {9, 1}, {channels, 9}}, 0, size}),
                                       rows * 9 * fragments_of(channels));
    if (i > shape.first) continue;
    s.weight = place;
    if (shape.beside == 0) continue;
    behind(packing_.matrix(name(o.weight), {outputs, outputs}, {18 * words, 6 * words},
                           {{{outputs, each}, {3, 3}, {3, 1}, {2 * words, 9, shape.beside}}, map * 9, size}),
           rows * 3 * shape.beside_fragments());
  }
  for (std::size_t i = shape.first; i <= shape.last; ++i) {
    const std::uint32_t outputs = i < shape.last ? hidden : shape.predicted;
    const std::uint32_t place = packing_.floats(name(op_at<op::Conv>(program_, i)->bias), {outputs, outputs});
    if (i == shape.first) s.bias = place;
    // Of f32, as rows that are padded to a fragment.
    expect(place == s.bias + (i - shape.first) * shape.hidden_fragments() * 64, ErrorKind::unsupported,
           "op '{}': a bias that another op shares", program_.step[i].label);
  }
}

params::Stage StageWriter::of(const op::Conv& o, const Group& group) {
  if (group.work == Work::head) return head(group);
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

/// A product whose columns are not the channels of a patch, pixels within, but its pixels, channels within.
void StageWriter::pixels(params::Stage& s, const op::Final& o, const Group& group) {
  const Product p = product_of(program_, columns_, group.op);
  const std::uint32_t features = p.columns.columns, area = o.patch * o.patch, channels = features / area;
  const std::uint32_t width = p.depth.columns;
  product(s, p, {{{area, width}, {channels, area * width}, {width, 1}}, 0, std::uint64_t{features} * width},
          {{{area, 1}, {channels, area}}, 0, features});
}

params::Stage StageWriter::of(const op::Final& o, const Group& group) {
  params::Stage s = blank(group.work, shape(o.x)[0], shape(o.x)[1]);
  s.a = places_.tensor(o.x);
  image(s, shape(o.y), no_tensor);
  s.patch_size = o.patch;
  s.window_size = o.window;
  if (group.store == Store::pixels) {
    pixels(s, o, group);
  } else {
    product(s, product_of(program_, columns_, group.op));
  }
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

params::Stage StageWriter::sketched(TensorId x, bool premultiplied, const Group& group) const {
  params::Stage s = blank(group.work, program_.shape.batch, 1);
  image(s, shape(x), x);
  s.a = places_.sketches;
  s.premultiplied = premultiplied;
  return s;
}

params::Stage StageWriter::of(const op::Begin& o, const Group& group) { return sketched(o.x, o.premultiplied, group); }

params::Stage StageWriter::of(const op::Hold& o, const Group& group) { return sketched(o.x, o.premultiplied, group); }

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
  if (t.group.work == Work::head) {
    s.down = t.head.down;
    s.across = t.head.last_down;
    s.patch_size = t.head.height;
    s.window_size = t.head.width;
    return;
  }
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
