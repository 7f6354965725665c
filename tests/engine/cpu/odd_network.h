// SPDX-License-Identifier: MIT
// Networks of sizes that no vector, panel or group divides, and a request with every solver term in use.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

#include "engine/executor.h"
#include "engine/model/model.h"

namespace dit::test {

/// Sizes that are a multiple of nothing: 15 tokens, heads of 11, a panel and a bit.
inline ModelConfig odd_config() {
  ModelConfig config;
  config.channels = 4;
  config.height = 6;
  config.width = 10;
  config.premultiplied = true;
  config.patch = 2;
  config.dim = 55;
  config.depth = 2;
  config.heads = 5;
  config.mlp_dim = 77;
  config.cond_dim = 9;
  config.qk_norm = true;
  config.bias = true;
  return config;
}

/// The same without and with keys of a prompt and a convolutional head.
inline std::vector<ModelConfig> odd_configs() {
  ModelConfig parts = odd_config();
  parts.context = 3;
  parts.detail = DetailConfig{.channels = 5, .hidden = 7, .layers = 4};
  return {odd_config(), parts};
}

/// Icons first_icon, first_icon + 1, … of one label; every solver term in use.
inline Request request_for(const PlanShape& shape, const ModelConfig& config, std::uint64_t first_icon) {
  Request request;
  for (std::uint32_t b = 0; b < shape.batch; ++b) request.icons.push_back({42, first_icon + b});
  for (std::uint32_t i = 0; i < shape.steps * shape.conditions * config.cond_dim; ++i)
    request.condition.push_back(std::sin(static_cast<float>(i)));
  for (std::uint32_t i = 0; i < shape.conditions * config.context_rows() * config.cond_dim; ++i)
    request.context.push_back(std::cos(static_cast<float>(i)));
  for (std::uint32_t step = 0; step < shape.steps; ++step)
    for (std::uint32_t r = 0; r < shape.rows(); ++r)
      request.modulation_row.push_back(step * shape.conditions + r / shape.batch);
  for (std::uint32_t step = 0; step < shape.steps; ++step) {
    SolverRow row;
    row.from_x = 0.1f;
    row.from_e = 0.9f;
    row.a = 0.5f;
    row.b[0] = 0.6f;
    for (std::uint32_t i = 1; i < std::min(step + 1, 4u); ++i) row.b[i] = -0.1f;
    row.c = 0.2f;
    row.guidance = 2.5f;
    request.solver.push_back(row);
    for (std::uint32_t b = 0; b < shape.batch; ++b) request.solver_row.push_back(step);
  }
  return request;
}

}  // namespace dit::test
