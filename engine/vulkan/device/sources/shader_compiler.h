// SPDX-License-Identifier: MIT
// Kernels compiled at run time, from a folder of sources.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <vector>

#include "engine/vulkan/device/sources/shader_text.h"
#include "engine/vulkan/device/sources/shaderc.h"
#include "shaders/spirv.h"

namespace dit::vulkan {

/// What compiles: the library, or where it cannot be opened the program. Debian 12's library lacks symbols that only
/// its glslc has.
struct CompilerNames {
  const char* library = "libshaderc.so.1";
  const char* program = "glslc";
};

/// thread  one at a time
class ShaderCompiler {
 public:
  /// folder  that of the kernels, as shaders/ of the sources is; includes name it "shaders/", whatever it is called
  /// errors  not_found: the folder holds no kernels, or there is no compiler; the text says what was expected
  explicit ShaderCompiler(std::filesystem::path folder, const CompilerNames& names = {});

  /// The same words as are made when the tree is built, if the compiler is that of the build.
  /// files   what it reads is put there, also if it fails
  /// errors  ShaderError; device, out_of_memory: the compiler itself fails
  std::vector<std::uint32_t> compile(const KernelSource& kernel, std::vector<SourceFile>& files) const;

 private:
  std::filesystem::path folder_;
  std::unique_ptr<Shaderc> shaderc_;
};

}  // namespace dit::vulkan
