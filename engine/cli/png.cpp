// SPDX-License-Identifier: MIT
#include "engine/cli/png.h"

#include <png.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>
#include <system_error>

#include "engine/error.h"

namespace dit::cli {
namespace {

struct CloseFile {
  void operator()(std::FILE* file) const noexcept { std::fclose(file); }
};

/// Removes the unfinished file unless it was renamed into place.
struct Unfinished {
  std::filesystem::path path;
  ~Unfinished() {
    std::error_code ignored;
    if (!path.empty()) std::filesystem::remove(path, ignored);
  }
};

void encode(std::FILE* file, const std::filesystem::path& path, const Image& image) {
  png_image png;
  std::memset(&png, 0, sizeof png);
  png.version = PNG_IMAGE_VERSION;
  png.width = image.width;
  png.height = image.height;
  png.format = PNG_FORMAT_RGBA;
  const bool written = png_image_write_to_stdio(&png, file, 0, image.rgba.data(), 0, nullptr) != 0;
  expect(written && std::fflush(file) == 0, ErrorKind::unreadable, "cannot write '{}': {}", path.string(),
         written || png.message[0] == '\0' ? std::strerror(errno) : png.message);
}

}  // namespace

void write_png(const std::filesystem::path& path, const Image& image) {
  namespace fs = std::filesystem;
  if (path == "-") return encode(stdout, "standard output", image);

  std::error_code error;
  const fs::path target = fs::weakly_canonical(path, error);
  // A device or a pipe (/dev/null, /dev/stdout) is written through; renaming a file over it would replace it.
  const bool through = fs::exists(target, error) && fs::is_other(target, error);
  Unfinished unfinished;
  if (!through) unfinished.path = (target.empty() ? path : target).string() + ".part" + std::to_string(::getpid());
  std::unique_ptr<std::FILE, CloseFile> file(std::fopen(through ? target.c_str() : unfinished.path.c_str(), "wb"));
  expect(file != nullptr, ErrorKind::unreadable, "cannot write '{}': {}", path.string(), std::strerror(errno));
  encode(file.get(), path, image);
  expect(std::fclose(file.release()) == 0, ErrorKind::unreadable, "cannot write '{}': {}", path.string(),
         std::strerror(errno));
  if (through) return;
  fs::rename(unfinished.path, target, error);
  expect(!error, ErrorKind::unreadable, "cannot write '{}': {}", path.string(), error.message());
  unfinished.path.clear();
}

}  // namespace dit::cli
