// SPDX-License-Identifier: MIT
#include <algorithm>

#include "engine/error.h"
#include "engine/vulkan/compile/stages.h"

namespace dit::vulkan {
namespace {

constexpr std::uint32_t most_tokens = 256;  // whose scores fit in shared memory

/// Gives every tensor the layout that its ops ask for; two that disagree are refused.
class Layouts {
 public:
  Layouts(const Program& program, const StageOptions& options) : program_(program), options_(options) {
    result_.tensors.resize(program.tensors.size());
    for (TensorId id = 0; id < program.tensors.size(); ++id) {
      result_.tensors[id].count = element_count(program.tensors[id].shape);
    }
    known_.resize(program.tensors.size());
  }

  StageLayouts make() {
    // The heads decide how q, k, v and what follows them are padded.
    for (const Op& op : program_.step) {
      op_ = &op;
      if (const auto* attention = std::get_if<op::Attention>(&op.what)) heads(*attention);
    }
    for (const Op& op : program_.step) {
      op_ = &op;
      std::visit([this](const auto& o) { tensors_of(o); }, op.what);
    }
    return std::move(result_);
  }

 private:
  const Shape& shape(TensorId id) const { return program_.tensor(id).shape; }

  void heads(const op::Attention& o) {
    const std::uint32_t width = shape(o.y)[2], head = width / o.heads;
    expect(shape(o.y)[1] <= most_tokens, ErrorKind::unsupported, "op '{}': {} tokens; the fused kernels serve up to {}",
           op_->label, shape(o.y)[1], most_tokens);
    // Values are the right side of a product along their rows, which on matrix hardware lies by columns.
    const std::uint32_t values = options_.matrix() ? 2 * o.heads * blocks_of(head) : UINT32_MAX;
    set(o.qkv, TensorLayout::Kind::blocks, {3 * width, head}, values);
    set(o.y, TensorLayout::Kind::blocks, {width, head});
  }

  void set(TensorId id, TensorLayout::Kind kind, ColumnGroups columns, std::uint32_t turned_from = UINT32_MAX) {
    TensorLayout layout = {.kind = kind,
                           .half = options_.half() && kind == TensorLayout::Kind::blocks,
                           .count = element_count(shape(id)),
                           .rows = 0,
                           .tokens = 0,
                           .columns = {},
                           .order = options_.order()};
    if (kind != TensorLayout::Kind::plain) {
      layout.rows = shape(id)[0];
      layout.tokens = shape(id)[1];
      layout.columns = columns;
      layout.turned_from = turned_from;
    }
    expect(!known_[id] || result_.tensors[id] == layout, ErrorKind::unsupported,
           "op '{}': tensor '{}' is used in two ways that the fused kernels hold differently", op_->label,
           program_.tensor(id).name);
    known_[id] = true;
    result_.tensors[id] = layout;
  }
  void plain(TensorId id) { set(id, TensorLayout::Kind::plain, {}); }
  void rows(TensorId id) { set(id, TensorLayout::Kind::rows, {shape(id)[2], shape(id)[2]}); }
  /// As one group of columns, unless heads have decided.
  void blocks(TensorId id) {
    if (!known_[id]) set(id, TensorLayout::Kind::blocks, {shape(id)[2], shape(id)[2]});
    expect(result_.tensors[id].kind == TensorLayout::Kind::blocks, ErrorKind::unsupported,
           "op '{}': tensor '{}' is used in two ways that the fused kernels hold differently", op_->label,
           program_.tensor(id).name);
  }

  /// What a stage of its own would need for `columns` columns of the rows of tensor `id`.
  std::uint64_t room(TensorId id, std::uint32_t columns) const {
    return std::uint64_t{shape(id)[0]} * blocks_of(shape(id)[1]) * blocks_of(columns) * 1024;
  }
  void need_left(std::uint64_t bytes) { result_.left_bytes = std::max(result_.left_bytes, bytes); }
  void need_rows(std::uint64_t bytes) { result_.rows_bytes = std::max(result_.rows_bytes, bytes); }

  void tensors_of(const op::Noise& o) { plain(o.x); }
  void tensors_of(const op::Linear&) const {
    fail(ErrorKind::unsupported, "op '{}': the fused kernels serve no plain product in a step", op_->label);
  }
  void tensors_of(const op::Embed& o) {
    plain(o.x);
    rows(o.y);
    need_left(room(o.y, shape(o.weight)[1]));
  }
  void tensors_of(const op::ModulatedLinear& o) {
    rows(o.x);
    blocks(o.y);
    need_left(room(o.x, shape(o.x)[2]));
  }
  void tensors_of(const op::Attention&) const {}
  void tensors_of(const op::GatedLinearAdd& o) {
    blocks(o.x);
    rows(o.residual);
    need_rows(room(o.residual, shape(o.residual)[2]));
  }
  void tensors_of(const op::Final& o) {
    rows(o.x);
    plain(o.y);
    need_left(room(o.x, shape(o.x)[2]));
    need_rows(room(o.x, shape(o.weight)[0]));
  }
  void tensors_of(const op::Combine& o) {
    plain(o.prediction);
    plain(o.x);
    plain(o.history);
  }
  void tensors_of(const op::ToRgba& o) { plain(o.x); }

  const Program& program_;
  const StageOptions& options_;
  const Op* op_ = nullptr;
  StageLayouts result_;
  std::vector<bool> known_;
};

}  // namespace

StageLayouts stage_layouts(const Program& program, const StageOptions& options) {
  return Layouts(program, options).make();
}

}  // namespace dit::vulkan
