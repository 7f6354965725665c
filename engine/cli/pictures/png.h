// SPDX-License-Identifier: MIT
// Pictures in memory and in PNG files.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <vector>

#include "engine/files/new_file.h"

namespace dit::cli {

/// RGBA, 8 bit, straight alpha, sRGB. rgba is [height, width, 4].
struct Image {
  std::uint32_t width = 0;
  std::uint32_t height = 0;
  std::vector<std::uint8_t> rgba;

  Image() = default;
  Image(std::uint32_t w, std::uint32_t h) : width(w), height(h), rgba(std::size_t{4} * w * h) {}
};

/// Writes a PNG; "-" is standard output. A file appears whole or not at all, see NewFile. Devices and pipes
/// are written through.
/// errors  throws Error{unreadable} with the path and the system's reason
/// thread  any; one a path
void write_png(const std::filesystem::path& path, const Image& image, NewFile::Sync sync = NewFile::Sync::later);

/// Reads any PNG as 8-bit RGBA in sRGB.
/// check   is told width and height before there is memory for the pixels, and throws where they do not suit
/// errors  throws Error{unreadable} with the path and the system's or libpng's reason; what `check` throws
Image read_png(const std::filesystem::path& path, const std::function<void(std::uint32_t, std::uint32_t)>& check);

}  // namespace dit::cli
