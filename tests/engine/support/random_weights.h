// SPDX-License-Identifier: MIT
// Weights for networks that nobody trained.
#pragma once

#include <memory>

#include "engine/model/weights.h"
#include "engine/network/recorder.h"

namespace dit::test {

/// f32 weights for all that a program reads, the same on every run: normals of deviation 1/√(row length) for matrices
/// and kernels of convolutions, which keeps activations near 1, and 0.3 for vectors.
std::shared_ptr<Weights> random_weights(const Program& program);

}  // namespace dit::test
