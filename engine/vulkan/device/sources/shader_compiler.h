// SPDX-License-Identifier: MIT
// GLSL to SPIR-V at run time, by the library that glslc is made of. It is opened when it is needed: nothing links it.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string_view>
#include <vector>

#include "engine/error.h"
#include "shaders/spirv.h"

namespace dit::vulkan {

/// A file as it was before a compilation read it; one that was asked for and is not there too.
struct SourceFile {
  std::filesystem::path path;
  std::filesystem::file_time_type time;
  std::uintmax_t size_bytes = 0;

  static SourceFile now(std::filesystem::path path);
  bool changed() const { return now(path) != *this; }
  bool operator==(const SourceFile&) const = default;
};

/// A mistake in a shader: the compiler's own words, file and line first.
class ShaderError : public Error {
 public:
  explicit ShaderError(const std::string& text) : Error(ErrorKind::wrong_format, text) {}
};

/// thread  one at a time
class ShaderCompiler {
 public:
  static constexpr const char* library_name = "libshaderc.so.1";

  /// folder   that of the kernels, as shaders/ of the sources is; includes name it "shaders/", whatever it is called
  /// library  for tests
  /// errors   not_found: the folder holds no kernels, or there is no such library; the text says what was expected
  explicit ShaderCompiler(std::filesystem::path folder, const char* library = library_name);
  ~ShaderCompiler();

  /// The same words as glslc makes when the tree is built.
  /// files   what it reads is put there, also if it fails
  /// errors  ShaderError; out_of_memory
  std::vector<std::uint32_t> compile(const KernelSource& kernel, std::vector<SourceFile>& files) const;

 private:
  struct Library;
  std::filesystem::path folder_;
  std::unique_ptr<const Library> library_;
};

}  // namespace dit::vulkan
