// SPDX-License-Identifier: MIT
// Contact sheets: many small pictures on one opaque page.
#pragma once

#include <cstdint>
#include <span>

#include "engine/cli/pictures/png.h"

namespace dit::cli {

/// Lays pictures of one size out row by row, `columns` in a row, `scale` times enlarged (every pixel a square), with a
/// margin between them, composited over white.
/// errors  throws Error{settings} if there are no pictures or their sizes differ
Image contact_sheet(std::span<const Image> pictures, std::uint32_t columns, std::uint32_t scale);

}  // namespace dit::cli
