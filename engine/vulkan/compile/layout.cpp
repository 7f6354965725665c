// SPDX-License-Identifier: MIT
#include "engine/vulkan/compile/layout.h"

#include <algorithm>

#include "engine/error.h"

namespace dit::vulkan {
namespace {

constexpr std::uint32_t most_tokens = 256;  // whose scores fit in shared memory

/// Gives every tensor the layout that its ops ask for; two that disagree are refused.
class LayingOut {
 public:
  /// tensors  as they are; those of the step are changed
  LayingOut(const Program& program, const FusedProgram& fused, const Target& target, std::vector<TensorLayout>& tensors)
      : program_(program), target_(target), columns_(column_groups(program)), tensors_(tensors) {
    known_.resize(program.tensors.size());
    for (const Group& group : fused.groups) {
      if (group.head) map_ = op_at<op::Conv>(program, *group.head)->x;
    }
    turned_from_.assign(program.tensors.size(), UINT32_MAX);
    if (!target.matrix()) return;
    // Values are the right side of a product along their rows, which on matrix hardware lies by columns.
    for (std::size_t i = 0; i < program.step.size(); ++i) {
      const auto* o = op_at<op::Attention>(program, i);
      if (!o) continue;
      const std::uint32_t width = o->heads * attention_shape(program, *o).head_fragments();
      turned_from_[o->qkv] = 2 * width;
      if (o->context != no_tensor) turned_from_[o->context] = width;
    }
  }

  void make() {
    for (const Op& op : program_.step) {
      op_ = &op;
      std::visit([this](const auto& o) { tensors_of(o); }, op.what);
    }
  }

 private:
  const Shape& shape(TensorId id) const { return program_.tensor(id).shape; }

  /// rows, tokens  of a tensor that is not [rows, tokens, columns]
  void set(TensorId id, TensorLayout::Kind kind, std::uint32_t rows = 0, std::uint32_t tokens = 0) {
    TensorLayout layout = {.kind = kind,
                           .half = target_.half() && kind == TensorLayout::Kind::fragments,
                           .count = element_count(shape(id)),
                           .rows = 0,
                           .tokens = 0,
                           .columns = {},
                           .order = target_.order()};
    if (kind != TensorLayout::Kind::plain) {
      layout.rows = rows ? rows : shape(id)[0];
      layout.tokens = tokens ? tokens : shape(id)[1];
      layout.columns = columns_[id];
      layout.turned_from = turned_from_[id];
    }
    expect(!known_[id] || tensors_[id] == layout, ErrorKind::unsupported,
           "op '{}': tensor '{}' is used in two ways that the fused kernels hold differently", op_->label,
           program_.tensor(id).name);
    known_[id] = true;
    tensors_[id] = layout;
  }
  void plain(TensorId id) { set(id, TensorLayout::Kind::plain); }
  /// Unless a head begins with it.
  void image(TensorId id) {
    if (id != map_) return plain(id);
    const Shape& s = shape(id);
    tensors_[id] = {.kind = TensorLayout::Kind::pixels,
                    .half = true,
                    .count = element_count(s),
                    .rows = s[0],
                    .tokens = s[2] * s[3],
                    .columns = {s[1], s[1]}};
  }
  void rows(TensorId id) { set(id, TensorLayout::Kind::rows); }
  void fragments(TensorId id) { set(id, TensorLayout::Kind::fragments); }

  void tensors_of(const op::Noise& o) { plain(o.x); }
  // fuse() refuses these
  void tensors_of(const op::Linear&) {}
  void tensors_of(const op::HeadNorm&) {}
  void tensors_of(const op::Conv& o) {
    image(o.x);
    if (o.picture != no_tensor) plain(o.picture);
    plain(o.y);
  }
  void tensors_of(const op::Embed& o) {
    plain(o.x);
    rows(o.y);
  }
  void tensors_of(const op::ModulatedLinear& o) {
    rows(o.x);
    fragments(o.y);
  }
  void tensors_of(const op::Attention& o) {
    expect(shape(o.y)[1] <= most_tokens, ErrorKind::unsupported, "op '{}': {} tokens; the fused kernels serve up to {}",
           op_->label, shape(o.y)[1], most_tokens);
    fragments(o.qkv);
    fragments(o.y);
    if (o.context == no_tensor) return;
    const std::uint32_t conditions = program_.shape.conditions;
    set(o.context, TensorLayout::Kind::fragments, conditions, shape(o.context)[0] / conditions);
  }
  void tensors_of(const op::GatedLinearAdd& o) {
    fragments(o.x);
    rows(o.residual);
  }
  void tensors_of(const op::Final& o) {
    rows(o.x);
    image(o.y);
  }
  void tensors_of(const op::Combine& o) {
    plain(o.prediction);
    plain(o.x);
    plain(o.history);
  }
  void tensors_of(const op::ToRgba& o) { plain(o.x); }
  void tensors_of(const op::Begin& o) { plain(o.x); }
  void tensors_of(const op::Hold& o) { plain(o.x); }

  const Program& program_;
  const Target& target_;
  const std::vector<ColumnGroups> columns_;
  const Op* op_ = nullptr;
  TensorId map_ = no_tensor;  // that a head begins with
  std::vector<TensorLayout>& tensors_;
  std::vector<bool> known_;
  std::vector<std::uint32_t> turned_from_;  // see TensorLayout
};

std::vector<TensorLayout> as_they_are(const Program& program) {
  std::vector<TensorLayout> tensors(program.tensors.size());
  for (TensorId id = 0; id < tensors.size(); ++id) tensors[id].count = element_count(program.tensors[id].shape);
  return tensors;
}

Scratch scratch_of_groups(const Program& program, const FusedProgram& fused) {
  const std::vector<ColumnGroups> columns = column_groups(program);
  Scratch scratch;
  // In f32, the largest that a fragment can be.
  const auto room = [](const Product& p, std::uint32_t columns_of_it) {
    return std::uint64_t{p.row_fragments()} * fragments_of(columns_of_it) * 1024;
  };
  for (const Group& group : fused.groups) {
    if (group.work != Work::product) continue;
    const Product product = product_of(program, columns, group.op);
    if (group.lhs_in_scratch) scratch.lhs = std::max(scratch.lhs, room(product, product.depth.columns));
    if (group.next_norm) scratch.lhs = std::max(scratch.lhs, room(product, product.columns.columns));
    if (group.store == Store::rows) scratch.rows = std::max(scratch.rows, room(product, product.columns.columns));
  }
  return scratch;
}

/// What plain kernels prepare before it becomes fragments.
std::uint64_t prepared_bytes(const Program& program, const std::vector<TensorLayout>& tensors) {
  std::uint64_t bytes = 0;
  for (const Op& op : program.prepare) {
    const TensorLayout& layout = tensors[output_of(op.what)];
    if (layout.kind == TensorLayout::Kind::fragments) bytes = std::max(bytes, layout.count * sizeof(float));
  }
  return bytes;
}

/// What the plain kernels keep between the calls of an op.
Scratch scratch_of_ops(const Program& program) {
  Scratch scratch;
  const auto row_stats = [&](TensorId x) {
    const Shape& shape = program.tensor(x).shape;
    scratch.row_stats = std::max(scratch.row_stats, std::uint64_t{shape[0]} * shape[1] * 2 * sizeof(float));
  };
  for (std::size_t i = 0; i < program.step.size(); ++i) {
    if (const auto* linear = op_at<op::ModulatedLinear>(program, i)) row_stats(linear->x);
    const auto* last = op_at<op::Final>(program, i);
    if (!last) continue;
    row_stats(last->x);
    if (last->window == last->patch) continue;
    const Shape& x = program.tensor(last->x).shape;
    const std::uint64_t floats = std::uint64_t{x[0]} * x[1] * program.tensor(last->weight).shape[0];
    scratch.windows = std::max(scratch.windows, floats * sizeof(float));
  }
  return scratch;
}

}  // namespace

Layouts lay_out(const Program& program, const FusedProgram& fused, const Target& target) {
  Layouts layouts = {.tensors = as_they_are(program), .scratch = {}};
  if (target.plain()) {
    layouts.scratch = scratch_of_ops(program);
  } else {
    LayingOut(program, fused, target, layouts.tensors).make();
    layouts.scratch = scratch_of_groups(program, fused);
    layouts.scratch.prepared = prepared_bytes(program, layouts.tensors);
  }
  return layouts;
}

}  // namespace dit::vulkan
