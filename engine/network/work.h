// SPDX-License-Identifier: MIT
// How much a stretch of a program computes and moves, for benchmarks.
#pragma once

#include <cstddef>

#include "engine/network/recorder.h"

namespace dit {

/// Operations that ops do, multiply-adds counted as two, and bytes that they must move at least.
struct Work {
  double flop = 0, bytes = 0;
};

/// Bytes of an element. The residual, the picture, predictions and vectors are f32 in every precision.
struct ElementSizes {
  double weight = 4, activation = 4;
};

/// Of some of a program's ops as one dispatch: every weight, everything read from outside, and what the last op writes,
/// once.
Work work_of(const Program& program, const std::vector<Op>& ops, const ElementSizes& sizes);
/// Of a step, op by op.
Work work_of_step(const Program& program, const ElementSizes& sizes);

}  // namespace dit
