// SPDX-License-Identifier: MIT
#include "engine/session/self_test.h"

#include <cmath>
#include <utility>

#include "engine/network/dit.h"
#include "engine/session/difference.h"

namespace dit {
namespace {

ModelConfig small_config() {
  ModelConfig c;
  c.name = "self-test";
  c.channels = 4;
  c.premultiplied = true;
  c.height = 32;
  c.width = 40;
  c.patch = 8;
  c.dim = 72;
  c.depth = 2;
  c.heads = 3;
  c.head_dim = 20;
  c.mlp_dim = 104;
  c.cond_dim = 12;
  c.time_dim = 8;
  c.qk_norm = true;
  c.activation = Activation::gelu_tanh;
  return c;
}

/// Normals that are the same on every machine.
std::vector<float> normals(std::uint64_t index, std::uint64_t count, float scale) {
  std::vector<float> values(count);
  fill_normals(/*seed=*/4, index, 0, 0, values);
  for (float& value : values) value *= scale;
  return values;
}

std::shared_ptr<const Weights> small_weights(const Program& program) {
  auto weights = std::make_shared<Weights>();
  auto owner = std::make_shared<std::vector<std::vector<float>>>(program.tensors.size());
  for (TensorId id = 0; id < program.tensors.size(); ++id) {
    const TensorInfo& info = program.tensors[id];
    if (info.kind != TensorKind::weight) continue;
    const float scale = info.shape.size() > 1 ? 1 / std::sqrt(static_cast<float>(info.shape.back())) : 0.3f;
    std::vector<float>& values = (*owner)[id] = normals(id, element_count(info.shape), scale);
    weights->tensors[info.name] = {info.name, DType::f32, info.shape, std::as_bytes(std::span(values))};
  }
  weights->owner = owner;
  return weights;
}

Request small_request(const Program& program) {
  const PlanShape& s = program.shape;
  Request request;
  request.condition = normals(1u << 20, element_count(program.tensor(program.condition).shape), 1);
  for (std::uint32_t b = 0; b < s.batch; ++b) request.icons.push_back({.from = {.seed = 3, .index = b}});
  for (std::uint32_t step = 0; step < s.steps; ++step) {
    SolverRow row;
    row.a = 0.6f;
    row.b[0] = 0.5f;
    row.b[1] = step > 0 ? -0.2f : 0.f;
    row.c = 0.1f;
    request.solver.push_back(row);
    request.solver_row.insert(request.solver_row.end(), s.batch, step);
    for (std::uint32_t r = 0; r < s.rows(); ++r) request.modulation_row.push_back(step * s.conditions);
  }
  return request;
}

}  // namespace

SelfTest make_self_test(const std::function<std::unique_ptr<Executor>(std::shared_ptr<const Weights>)>& reference) {
  SelfTest test;
  test.program = record(small_config(), {.batch = 2, .steps = 3});
  test.weights = small_weights(test.program);
  test.request = small_request(test.program);
  const auto executor = reference(test.weights);
  const auto plan = executor->plan(test.program);
  plan->set_request(test.request);
  plan->prepare(never_cancelled);
  plan->run(0, test.program.shape.steps, never_cancelled);
  test.expected = plan->read(test.program.x);
  return test;
}

double error_of(const SelfTest& test, std::span<const float> x) { return relative_difference(x, test.expected); }

/// Right kernels were off by 5e-7 in f32 and by 4e-4 in f16 on an NVIDIA H200
/// (shaders/lab/2026-11-how-many-dispatches.md). The bounds leave room for other devices, and are far below what one
/// wrong block of sixteen values makes.
double self_test_bound(Precision precision) noexcept {
  return precision == Precision::f16 || precision == Precision::f16_matrix ? 1e-2 : 2e-5;
}

}  // namespace dit
