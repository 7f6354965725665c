// SPDX-License-Identifier: MIT
// What kernels of several rows share: how many rows a unit covers, and values that change by row.
#pragma once

#include <cstddef>
#include <cstdint>

namespace dit::cpu {

/// Rows of the lhs that one unit of a matrix product covers.
inline constexpr std::size_t block_rows = 8;

/// Per-row values from a table [rows of the table, columns]: row m of a product reads table row `rows[m / tokens]`.
struct RowTable {
  const float* values = nullptr;  ///< at the first column wanted
  std::size_t columns = 0;        ///< stride
  const std::uint32_t* rows = nullptr;
  std::size_t tokens = 1;

  const float* at(std::size_t m) const noexcept { return values + rows[m / tokens] * columns; }
};

}  // namespace dit::cpu
