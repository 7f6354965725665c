// SPDX-License-Identifier: MIT
#include "engine/cli/png.h"

#include <png.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <string>

#include "engine/error.h"
#include "engine/files/new_file.h"

namespace dit::cli {
namespace {

void encode(std::FILE* file, const std::filesystem::path& path, const Image& image) {
  png_image png;
  std::memset(&png, 0, sizeof png);
  png.version = PNG_IMAGE_VERSION;
  png.width = image.width;
  png.height = image.height;
  png.format = PNG_FORMAT_RGBA;
  errno = 0;
  const bool written = png_image_write_to_stdio(&png, file, 0, image.rgba.data(), 0, nullptr) != 0;
  const bool flushed = std::fflush(file) == 0;
  // What the system says is worth more than libpng's "write error".
  const std::string reason = errno != 0 ? std::strerror(errno) : png.message;
  expect(written && flushed, ErrorKind::unreadable, "cannot write '{}': {}", path.string(), reason);
}

}  // namespace

void write_png(const std::filesystem::path& path, const Image& image) {
  if (path == "-") return encode(stdout, "standard output", image);
  NewFile file(path);
  encode(file.stream(), path, image);
  file.finish();
}

}  // namespace dit::cli
