// SPDX-License-Identifier: MIT
// GLSL to SPIR-V by the library that glslc is made of, or by glslc. Neither is linked: both are looked for when needed.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace dit::vulkan {

struct ShaderText {
  std::string name;  ///< what mistakes before the first include are said to be in
  std::string text;
  std::string_view definition;  ///< of the preprocessor; empty: none
  bool optimised = true;
  std::uint32_t vulkan_minor = 2;
};

/// thread  one at a time
class Shaderc {
 public:
  virtual ~Shaderc() = default;
  /// errors  ShaderError with the compiler's own words; device: the compiler itself fails
  virtual std::vector<std::uint32_t> compile(const ShaderText& shader) const = 0;
};

/// errors  not_found: there is no such library, or it lacks something
std::unique_ptr<Shaderc> open_shaderc(const char* library);
/// Runs the program for each shader. errors  not_found: there is no such program
std::unique_ptr<Shaderc> open_glslc(const char* program);

}  // namespace dit::vulkan
