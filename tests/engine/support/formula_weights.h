// SPDX-License-Identifier: MIT
// A favicon diffusor whose weights are a formula, see training/golden_diffusor.py: nothing large is stored.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "engine/model/weights.h"

namespace dit::test {

/// What the shapes of a WTS1 file say. The defaults are the configuration that ships.
struct DiffusorSizes {
  std::uint32_t dim = 512, depth = 4, head = 128, mlp = 2048, time = 128, patch = 8;
};
/// The configuration that its README lists: 94 million parameters.
inline constexpr DiffusorSizes readme_sizes = {
    .dim = 768, .depth = 12, .head = 192, .mlp = 3072, .time = 768, .patch = 4};
/// Quick to make and to run.
inline constexpr DiffusorSizes small_sizes = {.dim = 24, .depth = 2, .head = 12, .mlp = 40, .time = 8, .patch = 16};

/// 2u − 1 for `count` elements of tensor `number`, u of 24 bits from splitmix64.
std::vector<double> formula_uniform(std::uint32_t number, std::size_t count);

/// The tensors under WTS1's keys. transposed: matrices are [in,out] with the same values.
std::shared_ptr<Weights> formula_weights(const DiffusorSizes& sizes = {}, bool transposed = false);

/// x_T and the z of each of the 32 steps: [32, pixels·3], image HWC, variance 1.
std::vector<std::vector<float>> formula_noise();

}  // namespace dit::test
