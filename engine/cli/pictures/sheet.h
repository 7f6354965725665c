// SPDX-License-Identifier: MIT
// Contact sheets: many small pictures on one opaque page.
#pragma once

#include <cstdint>
#include <span>

#include "engine/cli/pictures/png.h"

namespace dit::cli {

struct PictureSize {
  std::uint32_t width, height;
};

/// Whether a sheet of so many pictures can be made and written: PNG readers refuse more than a million pixels a side,
/// and all of it is in memory. errors  throws Error{settings} with what is too large, and what helps
void expect_sheet_fits(PictureSize picture, std::uint64_t pictures, std::uint32_t columns, std::uint32_t scale);

/// Lays pictures of one size out row by row, `columns` in a row, `scale` times enlarged (every pixel a square), with a
/// margin between them, composited over white.
/// errors  throws Error{settings} if there are no pictures, too many, or their sizes differ
Image contact_sheet(std::span<const Image> pictures, std::uint32_t columns, std::uint32_t scale);

}  // namespace dit::cli
