// SPDX-License-Identifier: MIT
// Every op on both executors against its scalar f64 twin, on awkward shapes.
#pragma once

#include "tests/engine/ops/op_case.h"
#include "tests/engine/support/devices_under_test.h"

namespace dit::test {

/// Its parameter is the kind of executor. Products and attention in ops_test.cpp, ops of images in image_ops_test.cpp.
class Ops : public ExecutorTest {
 protected:
  static constexpr DType dtypes[] = {DType::f32, DType::f16};
};

/// A table whose chunks lie in the middle and out of order, as no network would have them.
inline op::Modulation modulation(OpCase& c, std::uint32_t dim) {
  const std::uint32_t rows = c.shape().steps * c.shape().conditions;
  return {.table = c.input("modulation", {rows, 4 * dim + 3}, 0.5), .shift = 2 * dim + 1, .scale = 1, .gate = dim + 1};
}

}  // namespace dit::test
