// SPDX-License-Identifier: MIT
// The shaders of the sources, copied to where a test may edit them.
#pragma once

#include <filesystem>
#include <string>

namespace dit::test {

class ShaderCopy {
 public:
  /// name  of its folder in the build tree, where this process has one of its own
  explicit ShaderCopy(const std::string& name);
  ~ShaderCopy();
  ShaderCopy(const ShaderCopy&) = delete;
  ShaderCopy& operator=(const ShaderCopy&) = delete;

  const std::filesystem::path& folder() const { return folder_; }
  std::filesystem::path path(const std::string& file) const { return folder_ / file; }
  /// Replaces all of `from`, which must be there. Returns the number of the line where the first begins.
  int edit(const std::string& file, const std::string& from, const std::string& to) const;
  /// As it is in the sources.
  void mend(const std::string& file) const;

 private:
  std::filesystem::path folder_;
};

/// Sets DIT_SHADER_DIR while it lives.
class ShaderFolder {
 public:
  explicit ShaderFolder(const std::filesystem::path& folder);
  ~ShaderFolder();
  ShaderFolder(const ShaderFolder&) = delete;
  ShaderFolder& operator=(const ShaderFolder&) = delete;
};

/// Why kernels cannot be compiled here; empty if they can.
std::string shader_compiler_problem();

}  // namespace dit::test
