// SPDX-License-Identifier: MIT
#include "tests/engine/support/shader_copy.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <string>

#include "engine/vulkan/device/sources/shader_compiler.h"

namespace dit::test {

namespace fs = std::filesystem;

namespace {

const fs::path sources = fs::path(DIT_SOURCE_DIR) / "shaders";

}  // namespace

ShaderCopy::ShaderCopy(const std::string& name)
    : folder_(fs::path(DIT_BUILD_DIR) / (name + "-" + std::to_string(getpid()))) {
  fs::remove_all(folder_);
  fs::copy(sources, folder_, fs::copy_options::recursive);
}

ShaderCopy::~ShaderCopy() {
  std::error_code none;
  fs::remove_all(folder_, none);
}

int ShaderCopy::edit(const std::string& file, const std::string& from, const std::string& to) const {
  std::ifstream input(path(file), std::ios::binary);
  std::string text{std::istreambuf_iterator<char>(input), std::istreambuf_iterator<char>()};
  const std::size_t first = text.find(from);
  if (first == std::string::npos) {
    ADD_FAILURE() << "no '" << from << "' in " << file;
    return 0;
  }
  const auto line = 1 + std::count(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(first), '\n');
  for (std::size_t at = first; at != std::string::npos; at = text.find(from, at + to.size())) {
    text.replace(at, from.size(), to);
  }
  std::ofstream(path(file), std::ios::binary) << text;
  return static_cast<int>(line);
}

void ShaderCopy::mend(const std::string& file) const {
  fs::remove(path(file));
  fs::copy_file(sources / file, path(file));
}

ShaderFolder::ShaderFolder(const fs::path& folder) { ::setenv("DIT_SHADER_DIR", folder.c_str(), 1); }
ShaderFolder::~ShaderFolder() { ::unsetenv("DIT_SHADER_DIR"); }

std::string shader_compiler_problem() {
  try {
    vulkan::ShaderCompiler{sources};
  } catch (const Error& error) {
    return error.what();
  }
  return {};
}

}  // namespace dit::test
