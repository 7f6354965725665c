// SPDX-License-Identifier: MIT
#include "engine/cli/pictures/png.h"

#include <png.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>

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

Image read_png(const std::filesystem::path& path, const std::function<void(std::uint32_t, std::uint32_t)>& check) {
  // Frees what libpng holds while it reads, also when `check` throws.
  struct Reader : png_image {
    Reader() : png_image{} { version = PNG_IMAGE_VERSION; }
    ~Reader() { png_image_free(this); }
  } png;
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen(path.c_str(), "rb"), std::fclose);
  expect(file != nullptr, ErrorKind::unreadable, "cannot read '{}': {}", path.string(), std::strerror(errno));
  expect(png_image_begin_read_from_stdio(&png, file.get()) != 0, ErrorKind::unreadable,
         "cannot read '{}': expected a PNG file: {}", path.string(), png.message);
  check(png.width, png.height);
  png.format = PNG_FORMAT_RGBA;
  Image image(png.width, png.height);
  expect(png_image_finish_read(&png, nullptr, image.rgba.data(), 0, nullptr) != 0, ErrorKind::unreadable,
         "cannot read '{}': {}", path.string(), png.message);
  return image;
}

}  // namespace dit::cli
