// SPDX-License-Identifier: MIT
// A picture that an icon begins with, and its mask, from PNG files of any size that fits the model.
#pragma once

#include <cstdint>
#include <filesystem>
#include <vector>

#include "engine/cli/pictures/png.h"

namespace dit::cli {

/// The PNG at the model's size: as it is, or 2 to 64 times as large both ways and then averaged, colours weighted by
/// their alpha.
/// errors  unreadable, as read_png(); settings, naming the file, what was expected and what was found
Image read_sketch(const std::filesystem::path& path, std::uint32_t width, std::uint32_t height);

/// How much of each pixel is to be painted anew, [height, width]: 255 where the PNG is white, 0 where it is black or
/// clear. Sizes and errors as of read_sketch().
std::vector<std::uint8_t> read_mask(const std::filesystem::path& path, std::uint32_t width, std::uint32_t height);

}  // namespace dit::cli
