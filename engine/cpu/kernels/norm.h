// SPDX-License-Identifier: MIT
// Norm with scale and shift. Units [first, last) of the work: any split gives the same bits.
#pragma once

#include <cstddef>

#include "engine/cpu/kernels/rows.h"
#include "engine/model/model.h"

namespace dit::cpu {

/// y = norm(x)·(1+scale)+shift over D. A unit is a row.
struct NormModulate {
  const float* x = nullptr;  ///< [M,D]
  std::size_t dim = 0;
  Norm kind;
  RowTable shift, scale;
  float* y = nullptr;  ///< [M,D]
};
void norm_modulate(const NormModulate& norm, std::size_t first, std::size_t last) noexcept;

}  // namespace dit::cpu
