// SPDX-License-Identifier: MIT
// What both benchmarks run: a network of the first trial model's size with random weights.
#pragma once

#include <memory>
#include <random>
#include <vector>

#include "engine/executor.h"
#include "engine/network/dit.h"

namespace dit::bench {

/// 20 M parameters, 64 tokens, 1.9 GFLOP a step and row.
inline ModelConfig trial_config() {
  ModelConfig config;
  config.channels = 4;
  config.height = config.width = 64;
  config.premultiplied = true;
  config.patch = 8;
  config.dim = 384;
  config.depth = 8;
  config.heads = 6;
  config.mlp_dim = 1536;
  config.cond_dim = 256;
  config.qk_norm = true;
  return config;
}

/// Random weights for all that a program reads; halves are drawn from 2⁻⁷ … 2⁻³ with either sign.
inline std::shared_ptr<const Weights> random_weights(const Program& program, DType dtype) {
  auto weights = std::make_shared<Weights>();
  auto owner = std::make_shared<std::vector<std::vector<std::byte>>>();
  owner->reserve(program.tensors.size());
  std::mt19937 random(1);
  for (const TensorInfo& info : program.tensors) {
    if (info.kind != TensorKind::weight) continue;
    std::vector<std::byte>& bytes = owner->emplace_back(element_count(info.shape) * size_of(dtype));
    for (std::size_t i = 0; i < bytes.size(); i += size_of(dtype)) {
      const std::uint32_t half = (random() & 0x8fffu) | 0x2000u;
      // The same value in either type: sign, exponent and the upper mantissa bits.
      const std::uint32_t word =
          dtype == DType::f16 ? half : (half & 0x8000u) << 16 | (((half & 0x7fffu) << 13) + 0x38000000u);
      for (std::size_t b = 0; b < size_of(dtype); ++b) bytes[i + b] = static_cast<std::byte>(word >> 8 * b);
    }
    weights->tensors[info.name] = {info.name, dtype, info.shape, bytes};
  }
  weights->owner = owner;
  return weights;
}

/// One label for all icons; each step replaces x by the prediction.
inline Request request_for(const Program& program) {
  const PlanShape& s = program.shape;
  Request request;
  request.icons.resize(s.batch, {1, 0});
  request.condition.resize(element_count(program.tensor(program.condition).shape), 0.5f);
  if (program.context != no_tensor) request.context.resize(element_count(program.tensor(program.context).shape), 0.5f);
  request.modulation_row.resize(std::size_t{s.steps} * s.rows());
  request.solver.resize(s.steps);
  for (SolverRow& row : request.solver) row.b[0] = 1.f;
  for (std::uint32_t step = 0; step < s.steps; ++step) {
    request.solver_row.insert(request.solver_row.end(), s.batch, step);
  }
  return request;
}

}  // namespace dit::bench
