// SPDX-License-Identifier: MIT
#include <fmt/core.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>
#include <span>

#include "engine/cli/bench.h"

namespace dit::cli {
namespace {

using nlohmann::json;

/// Tensors that an op reads besides its weights, rows of tables apart, which are small.
std::vector<TensorId> inputs_of(const AnyOp& any) {
  if (const auto* o = std::get_if<op::Linear>(&any)) return {o->x};
  if (const auto* o = std::get_if<op::Embed>(&any)) return {o->x};
  if (const auto* o = std::get_if<op::ModulatedLinear>(&any)) return {o->x};
  if (const auto* o = std::get_if<op::Attention>(&any)) return {o->qkv};
  if (const auto* o = std::get_if<op::GatedLinearAdd>(&any)) return {o->x, o->residual};
  if (const auto* o = std::get_if<op::Final>(&any)) return {o->x};
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

BenchWork work_of(const Program& program, std::size_t first, std::size_t last, bool half) {
  const std::set<TensorId> exact = exact_tensors(program);
  const auto size = [&](TensorId id) {
    const TensorInfo& tensor = program.tensor(id);
    const double element = tensor.kind == TensorKind::rgba ? 1 : half && !exact.contains(id) ? 2 : 4;
    return element * static_cast<double>(element_count(tensor.shape));
  };
  BenchWork work;
  std::set<TensorId> made;
  std::vector<Op> ops(program.step.begin() + static_cast<std::ptrdiff_t>(first),
                      program.step.begin() + static_cast<std::ptrdiff_t>(last));
  for (const Op& op : ops) {
    for (const TensorId input : inputs_of(op.what)) {
      if (made.insert(input).second) work.bytes += size(input);
    }
    if (const TensorId weight = weight_of(op.what); weight != no_tensor) work.bytes += size(weight);
    made.insert(output_of(op.what));
  }
  if (!ops.empty()) work.bytes += size(output_of(ops.back().what));
  work.flop = static_cast<double>(flop_count(program, ops));
  return work;
}

BenchWork work_of_step(const Program& program, bool half) {
  BenchWork all;
  for (std::size_t i = 0; i < program.step.size(); ++i) {
    const BenchWork one = work_of(program, i, i + 1, half);
    all.flop += one.flop;
    all.bytes += one.bytes;
  }
  return all;
}

BenchShare share_of(const vulkan::Ceilings& ceilings, const BenchWork& work, double microseconds, bool matrix,
                    const BenchLaunches& launches) {
  BenchShare share;
  const auto consider = [&](const char* bound, double least_us) {
    if (least_us > share.share * microseconds) share = {bound, least_us / microseconds};
  };
  const double rate = matrix ? ceilings.matrix_tflop_s : ceilings.f32_tflop_s;
  if (rate > 0) consider(matrix ? "matrix" : "f32", work.flop / rate * 1e-6);
  if (ceilings.copy_gb_s > 0) consider("copy", work.bytes / ceilings.copy_gb_s * 1e-3);
  consider("dispatch", launches.dispatches * ceilings.dispatch_us);
  consider("barrier", launches.barriers * ceilings.grid_barrier_us);
  return share;
}

json bench_ceilings(const BenchSubject& subject) {
  const vulkan::Ceilings& c = subject.ceilings;
  fmt::print("ceilings, medians of 7:\n");
  fmt::print("  copy, read and written          {:10.1f} GB/s\n", c.copy_gb_s);
  fmt::print("  f32 multiply-adds               {:10.3f} TFLOP/s\n", c.f32_tflop_s);
  if (c.matrix_tflop_s > 0) {
    fmt::print("  f16 matrices 16x16x16           {:10.2f} TFLOP/s\n", c.matrix_tflop_s);
  } else {
    fmt::print("  f16 matrices 16x16x16           not offered\n");
  }
  fmt::print("  empty dispatch + barrier        {:10.2f} us, {:.2f} us of two pipelines in turn\n", c.dispatch_us,
             c.alternating_us);
  if (c.grid_barrier_us > 0) {
    fmt::print("  barrier of a persistent dispatch{:10.2f} us\n", c.grid_barrier_us);
  } else {
    fmt::print("  barrier of a persistent dispatch: its workgroups do not stay resident\n");
  }
  fmt::print("  submit + wait                   {:10.1f} us\n", c.submit_us);
  return {{"copy_gb_s", c.copy_gb_s},     {"f32_tflop_s", c.f32_tflop_s},       {"matrix_tflop_s", c.matrix_tflop_s},
          {"dispatch_us", c.dispatch_us}, {"alternating_us", c.alternating_us}, {"grid_barrier_us", c.grid_barrier_us},
          {"submit_us", c.submit_us}};
}

}  // namespace dit::cli
