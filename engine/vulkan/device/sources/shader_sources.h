// SPDX-License-Identifier: MIT
// Kernels from sources that somebody edits: DIT_SHADER_DIR names the folder. A mistake leaves the last good kernel in
// use, and a notice.
#pragma once

#include <chrono>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/executor.h"
#include "engine/vulkan/device/sources/shader_compiler.h"

namespace dit::vulkan {

/// thread  one at a time
class ShaderSources {
 public:
  /// Null where DIT_SHADER_DIR is unset or empty. errors: as ShaderCompiler
  static std::unique_ptr<ShaderSources> of_environment();
  explicit ShaderSources(std::filesystem::path folder) : compiler_(std::move(folder)) {}

  /// Of a kernel, compiled on first use; until a compilation succeeds, the words that were built in. Valid until the
  /// next refresh() or reject().
  std::span<const std::uint32_t> words(const std::string& kernel);
  /// Compiles what has been edited; looks at the files at most every 200 ms. The kernels that have other words now.
  std::vector<std::string> refresh();
  /// Takes the last words back: compiled, but of no use, and why.
  void reject(const std::string& kernel, const std::string& why);
  /// The mistakes that there are; without text if there are none.
  const Notice& notice() const noexcept { return notice_; }

 private:
  struct Kernel {
    std::vector<std::uint32_t> words, before;  // empty: those built in
    std::vector<SourceFile> files;
    std::string mistake;
  };

  bool compile(const std::string& name, Kernel& kernel);
  void note_mistakes();

  ShaderCompiler compiler_;
  std::map<std::string, Kernel> kernels_;
  Notice notice_;
  std::chrono::steady_clock::time_point looked_{};
};

}  // namespace dit::vulkan
