// SPDX-License-Identifier: MIT
// A picture that an icon begins with, and its mask, from PNG files of any size that fits the model.
#pragma once

#include <CLI/CLI.hpp>
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "engine/cli/pictures/png.h"
#include "engine/network/sketch.h"

namespace dit::cli {

/// The PNG at the model's size: as it is, or 2 to 64 times as large both ways and then averaged, colours weighted by
/// their alpha.
/// errors  unreadable, as read_png(); settings, naming the file, what was expected and what was found
Image read_sketch(const std::filesystem::path& path, std::uint32_t width, std::uint32_t height);

/// How much of each pixel is to be painted anew, [height, width]: 255 where the PNG is white, 0 where it is black or
/// clear. Sizes and errors as of read_sketch().
std::vector<std::uint8_t> read_mask(const std::filesystem::path& path, std::uint32_t width, std::uint32_t height);

/// What --from and --mask name, read once.
class SketchFiles {
 public:
  /// No file where a name is empty. errors  as read_sketch(), read_mask()
  SketchFiles(const std::string& from, const std::string& mask, std::uint32_t width, std::uint32_t height);

  const Image& picture() const { return picture_; }
  /// For an icon's IconPoint; refers to this. Of no file: no sketch.
  Sketch of_strength(double strength) const;

 private:
  Image picture_;
  std::vector<std::uint8_t> mask_;
};

inline constexpr double default_strength = 0.7;

/// --from FILE, --mask FILE.
void add_from_options(CLI::App& command, std::string& from, std::string& mask);

}  // namespace dit::cli
