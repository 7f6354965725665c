// SPDX-License-Identifier: MIT
// A kernel's source as one text: includes put in place, with what a compiler needs to name file and line of a mistake.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "engine/error.h"

namespace dit::vulkan {

/// A mistake in a shader: file and line first.
class ShaderError : public Error {
 public:
  explicit ShaderError(const std::string& text) : Error(ErrorKind::wrong_format, text) {}
};

/// A file as it was before it was read; one that was asked for and is not there too.
struct SourceFile {
  std::filesystem::path path;
  std::filesystem::file_time_type time;
  std::uintmax_t size_bytes = 0;

  static SourceFile now(std::filesystem::path path);
  bool changed() const { return now(path) != *this; }
  bool operator==(const SourceFile&) const = default;
};

/// folder  that includes call "shaders/"
/// files   what was read is put there, also if something is missing
/// errors  ShaderError: a file that cannot be read, or includes without end
std::string shader_text(const std::filesystem::path& folder, const std::string& file, std::vector<SourceFile>& files);

}  // namespace dit::vulkan
