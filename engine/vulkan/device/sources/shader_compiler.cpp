// SPDX-License-Identifier: MIT
#include "engine/vulkan/device/sources/shader_compiler.h"

#include <stdexcept>
#include <utility>

#include "shaders/khr/khr_matrices.h"

namespace dit::vulkan {
namespace {

std::unique_ptr<Shaderc> open_compiler(const CompilerNames& names) {
  std::string problem;
  try {
    return open_shaderc(names.library);
  } catch (const Error& error) {
    problem = error.what();
  }
  try {
    return open_glslc(names.program);
  } catch (const Error& error) {
    fail(
        ErrorKind::not_found,
        "DIT_SHADER_DIR: expected a compiler of kernels, {} (Debian package libshaderc1) or {} (Debian package glslc), "
        "found: {}; {}",
        names.library, names.program, problem, error.what());
  }
}

}  // namespace

ShaderCompiler::ShaderCompiler(std::filesystem::path folder, const CompilerNames& names) : folder_(std::move(folder)) {
  std::error_code none;
  expect(
      std::filesystem::is_directory(folder_ / "plain", none), ErrorKind::not_found,
      "DIT_SHADER_DIR={}: expected the folder shaders/ of the sources, with plain/, common/ and fused/ in it, found {}",
      folder_.string(), std::filesystem::is_directory(folder_, none) ? "a folder without them" : "no folder");
  shaderc_ = open_compiler(names);
}

std::vector<std::uint32_t> ShaderCompiler::compile(const KernelSource& kernel, std::vector<SourceFile>& files) const {
  const std::string name = (folder_ / kernel.file).string();
  std::vector<std::uint32_t> words = shaderc_->compile({.name = name,
                                                        .text = shader_text(folder_, std::string(kernel.file), files),
                                                        .definition = kernel.definition,
                                                        .optimised = kernel.optimised,
                                                        .vulkan_minor = kernel.khr_matrices ? 3u : 2u});
  if (!kernel.khr_matrices) return words;
  try {
    return khr_matrices(words);
  } catch (const std::runtime_error& error) {
    throw ShaderError(fmt::format("{}: error: {}", name, error.what()));
  }
}

}  // namespace dit::vulkan
