// SPDX-License-Identifier: MIT
#include "engine/network/work.h"

#include <set>

namespace dit {
namespace {

std::vector<TensorId> present(std::vector<TensorId> ids) {
  std::erase(ids, no_tensor);
  return ids;
}

/// Tensors that an op reads besides its weights, rows of tables apart, which are small.
std::vector<TensorId> inputs_of(const AnyOp& any) {
  if (const auto* o = std::get_if<op::Linear>(&any)) return {o->x};
  if (const auto* o = std::get_if<op::Embed>(&any)) return {o->x};
  if (const auto* o = std::get_if<op::ModulatedLinear>(&any)) return {o->x};
  if (const auto* o = std::get_if<op::HeadNorm>(&any)) return {o->x};
  if (const auto* o = std::get_if<op::Attention>(&any)) return present({o->qkv, o->context});
  if (const auto* o = std::get_if<op::GatedLinearAdd>(&any)) return {o->x, o->residual};
  if (const auto* o = std::get_if<op::Final>(&any)) return {o->x};
  if (const auto* o = std::get_if<op::Conv>(&any)) return present({o->x, o->picture});
  if (const auto* o = std::get_if<op::Combine>(&any)) return {o->prediction, o->x};
  if (const auto* o = std::get_if<op::ToRgba>(&any)) return {o->x};
  return {};
}

TensorId weight_of(const AnyOp& any) {
  if (const auto* o = std::get_if<op::Linear>(&any)) return o->weight;
  if (const auto* o = std::get_if<op::Embed>(&any)) return o->weight;
  if (const auto* o = std::get_if<op::ModulatedLinear>(&any)) return o->weight;
  if (const auto* o = std::get_if<op::GatedLinearAdd>(&any)) return o->weight;
  if (const auto* o = std::get_if<op::Final>(&any)) return o->weight;
  if (const auto* o = std::get_if<op::Conv>(&any)) return o->weight;
  return no_tensor;
}

/// Tensors that stay f32 in every precision: the residual, the picture, predictions.
std::set<TensorId> exact_tensors(const Program& program) {
  std::set<TensorId> exact = {program.x};
  for (const Op& op : program.step) {
    if (const auto* o = std::get_if<op::GatedLinearAdd>(&op.what)) exact.insert(o->residual);
    if (const auto* o = std::get_if<op::Embed>(&op.what)) exact.insert(o->y);
    if (const auto* o = std::get_if<op::Combine>(&op.what)) exact.insert(o->prediction);
  }
  return exact;
}

}  // namespace

Work work_of(const Program& program, const std::vector<Op>& ops, const ElementSizes& sizes) {
  const std::set<TensorId> exact = exact_tensors(program);
  const auto size = [&](TensorId id) {
    const TensorInfo& tensor = program.tensor(id);
    double element = exact.contains(id) ? 4 : sizes.activation;
    if (tensor.kind == TensorKind::rgba) element = 1;
    if (tensor.kind == TensorKind::weight) element = tensor.shape.size() > 1 ? sizes.weight : 4;
    return element * static_cast<double>(element_count(tensor.shape));
  };
  Work work;
  std::set<TensorId> seen;
  for (const Op& op : ops) {
    for (const TensorId input : inputs_of(op.what)) {
      if (seen.insert(input).second) work.bytes += size(input);
    }
    if (const TensorId weight = weight_of(op.what); weight != no_tensor) work.bytes += size(weight);
    seen.insert(output_of(op.what));
  }
  if (!ops.empty()) work.bytes += size(output_of(ops.back().what));
  work.flop = static_cast<double>(flop_count(program, ops));
  return work;
}

Work work_of_step(const Program& program, const ElementSizes& sizes) {
  Work all;
  for (const Op& op : program.step) {
    const Work one = work_of(program, {op}, sizes);
    all.flop += one.flop;
    all.bytes += one.bytes;
  }
  return all;
}

}  // namespace dit
