// SPDX-License-Identifier: MIT
#include "engine/vulkan/device/sources/shader_text.h"

#include <optional>
#include <sstream>
#include <string_view>

#include "engine/files/file_bytes.h"
#include "shaders/spirv.h"

namespace dit::vulkan {
namespace {

constexpr int most_depth = 32;

std::optional<std::string> content_of(const std::filesystem::path& path) {
  constexpr std::size_t most = 16u << 20;
  try {
    return read_text(path, most, "shader");
  } catch (const Error&) {
    return {};
  }
}

/// What a line includes; empty: nothing.
std::string_view included_by(std::string_view line) {
  const std::size_t first = line.find_first_not_of(" \t");
  if (first == std::string_view::npos || !line.substr(first).starts_with("#include \"")) return {};
  const std::size_t begin = line.find('"') + 1, end = line.find('"', begin);
  return end == std::string_view::npos ? std::string_view() : line.substr(begin, end - begin);
}

class Joining {
 public:
  Joining(const std::filesystem::path& folder, std::vector<SourceFile>& files) : folder_(folder), files_(files) {}

  std::string join(const std::filesystem::path& path) {
    add_file(path, path.string() + ": ", 0);
    return std::move(text_);
  }

 private:
  /// `place` is where it is asked for, as errors begin.
  void add_file(const std::filesystem::path& path, const std::string& place, int depth) {
    files_.push_back(SourceFile::now(path));
    const std::optional<std::string> content = content_of(path);
    if (!content) throw ShaderError(fmt::format("{}error: cannot read {}", place, path.string()));
    add(*content, path.string(), depth);
  }

  void add(const std::string& content, const std::string& name, int depth) {
    if (depth > most_depth) throw ShaderError(fmt::format("{}: error: includes itself", name));
    std::istringstream lines(content);
    std::string line;
    for (int number = 1; std::getline(lines, line); ++number) {
      const std::string_view wanted = included_by(line);
      if (wanted.empty()) {
        text_ += line + '\n';
        continue;
      }
      add_included(std::string(wanted), fmt::format("{}:{}: ", name, number), depth + 1);
      text_ += fmt::format("#line {} \"{}\"\n", number + 1, name);
    }
  }

  void add_included(const std::string& wanted, const std::string& place, int depth) {
    constexpr std::string_view root = "shaders/";
    if (const std::string_view generated = generated_source(wanted); !generated.empty()) {
      text_ += fmt::format("#line 1 \"{}\"\n", wanted);
      add(std::string(generated), wanted, depth);
      return;
    }
    if (!wanted.starts_with(root))
      throw ShaderError(fmt::format("{}error: expected \"shaders/…\", found \"{}\"", place, wanted));
    const std::filesystem::path path = folder_ / wanted.substr(root.size());
    text_ += fmt::format("#line 1 \"{}\"\n", path.string());
    add_file(path, place, depth);
  }

  const std::filesystem::path& folder_;
  std::vector<SourceFile>& files_;
  std::string text_;
};

}  // namespace

SourceFile SourceFile::now(std::filesystem::path path) {
  std::error_code none;  // a file that is not there has the time and size that errors give
  const std::filesystem::file_time_type time = std::filesystem::last_write_time(path, none);
  const std::uintmax_t size_bytes = std::filesystem::file_size(path, none);
  return {.path = std::move(path), .time = time, .size_bytes = size_bytes};
}

std::string shader_text(const std::filesystem::path& folder, const std::string& file, std::vector<SourceFile>& files) {
  files.clear();
  return Joining(folder, files).join(folder / file);
}

}  // namespace dit::vulkan
