// SPDX-License-Identifier: MIT
#include "engine/vulkan/compile/shapes.h"

#include <algorithm>
#include <utility>

#include "engine/error.h"

namespace dit::vulkan {

std::vector<ColumnGroups> column_groups(const Program& program) {
  std::vector<ColumnGroups> columns(program.tensors.size());
  for (TensorId id = 0; id < program.tensors.size(); ++id) {
    const Shape& shape = program.tensor(id).shape;
    if (shape.size() == 3) columns[id] = {shape[2], shape[2]};
  }
  for (std::size_t i = 0; i < program.step.size(); ++i) {
    const auto* attention = op_at<op::Attention>(program, i);
    if (!attention) continue;
    const std::uint32_t width = program.tensor(attention->y).shape[2], head = width / attention->heads;
    if (attention->context != no_tensor) columns[attention->context] = {2 * width, head};
    for (const auto& [id, padded] : {std::pair{attention->qkv, ColumnGroups{3 * width, head}},
                                     std::pair{attention->y, ColumnGroups{width, head}}}) {
      expect(columns[id].group == columns[id].columns || columns[id] == padded, ErrorKind::unsupported,
             "op '{}': tensor '{}' is used in two ways that the fused kernels hold differently", program.step[i].label,
             program.tensor(id).name);
      columns[id] = padded;
    }
  }
  return columns;
}

namespace {

/// Sizes of each op's product; other ops have none.
struct ProductOf {
  const Program& program;
  const std::vector<ColumnGroups>& columns;

  const Shape& shape(TensorId id) const { return program.tensor(id).shape; }
  Product operator()(const op::Embed& o) const {
    const std::uint32_t features = shape(o.weight)[1];
    return {shape(o.y)[0], shape(o.y)[1], o.weight, o.bias, columns[o.y], {features, features}};
  }
  Product operator()(const op::ModulatedLinear& o) const {
    const std::uint32_t width = shape(o.x)[2];
    return {shape(o.y)[0], shape(o.y)[1], o.weight, o.bias, columns[o.y], {width, width}};
  }
  Product operator()(const op::GatedLinearAdd& o) const {
    return {shape(o.residual)[0], shape(o.residual)[1], o.weight, o.bias, columns[o.residual], columns[o.x]};
  }
  Product operator()(const op::Final& o) const {
    const std::uint32_t width = shape(o.x)[2], features = shape(o.weight)[0];
    return {shape(o.x)[0], shape(o.x)[1], o.weight, o.bias, {features, features}, {width, width}};
  }
  Product operator()(const op::Conv& o) const {
    const Shape &y = shape(o.y), &weight = shape(o.weight);
    const std::uint32_t around = weight[1] * weight[2] * weight[3];
    return {y[0], y[2] * y[3], o.weight, o.bias, {y[1], y[1]}, {around, around}};
  }
  template <typename Other>
  Product operator()(const Other&) const {
    fail(ErrorKind::unsupported, "the fused kernels know no product of this op");
  }
};

}  // namespace

Product product_of(const Program& program, const std::vector<ColumnGroups>& columns, std::size_t op) {
  return std::visit(ProductOf{program, columns}, program.step.at(op).what);
}

std::uint32_t AttentionShape::wide_fragments() const { return std::max(key_fragments(), head_fragments()); }

std::uint32_t AttentionShape::shared_floats(std::uint32_t group, std::uint32_t invocations) const {
  const std::uint32_t sums = group * wide_fragments() * 256;
  return sums + group * (key_fragments() + 1) * 16 + 2 * invocations;
}

AttentionShape attention_shape(const Program& program, const op::Attention& attention) {
  const Shape& y = program.tensor(attention.y).shape;
  const std::uint32_t conditions = program.shape.conditions;
  const bool prompted = attention.context != no_tensor;
  return {.rows = y[0],
          .tokens = y[1],
          .heads = attention.heads,
          .head_dim = y[2] / attention.heads,
          .prompt_keys = prompted ? program.tensor(attention.context).shape[0] / conditions : 0};
}

}  // namespace dit::vulkan
