// SPDX-License-Identifier: MIT
#include "engine/vulkan/device/sources/shader_sources.h"

#include <algorithm>
#include <cstdlib>
#include <set>
#include <utility>

namespace dit::vulkan {

std::unique_ptr<ShaderSources> ShaderSources::of_environment() {
  const char* folder = std::getenv("DIT_SHADER_DIR");
  return folder && *folder ? std::make_unique<ShaderSources>(folder) : nullptr;
}

std::span<const std::uint32_t> ShaderSources::words(const std::string& kernel) {
  const auto [found, is_new] = kernels_.try_emplace(kernel);
  if (is_new) {
    compile(kernel, found->second);
    note_mistakes();
  }
  return found->second.words.empty() ? spirv(kernel) : std::span<const std::uint32_t>(found->second.words);
}

std::vector<std::string> ShaderSources::refresh() {
  constexpr std::chrono::milliseconds interval(200);
  const auto now = std::chrono::steady_clock::now();
  if (now - looked_ < interval) return {};
  looked_ = now;
  std::vector<std::string> others;
  for (auto& [name, kernel] : kernels_) {
    const bool edited = std::ranges::any_of(kernel.files, [](const SourceFile& file) { return file.changed(); });
    if (edited && compile(name, kernel)) others.push_back(name);
  }
  note_mistakes();
  return others;
}

void ShaderSources::reject(const std::string& kernel, const std::string& why) {
  Kernel& rejected = kernels_.at(kernel);
  rejected.words = std::exchange(rejected.before, {});
  rejected.mistake = rejected.files.front().path.string() + ": " + why;
  note_mistakes();
}

/// Whether it has other words now.
bool ShaderSources::compile(const std::string& name, Kernel& kernel) {
  kernel.mistake.clear();
  try {
    std::vector<std::uint32_t> words = compiler_.compile(kernel_source(name), kernel.files);
    if (words == kernel.words) return false;
    kernel.before = std::exchange(kernel.words, std::move(words));
    return true;
  } catch (const Error& error) {  // of the compiler itself too: pictures go on without it
    kernel.mistake = error.what();
    return false;
  }
}

/// A file that several kernels read has its mistakes once.
void ShaderSources::note_mistakes() {
  std::set<std::string> mistakes;
  for (const auto& [name, kernel] : kernels_) {
    if (!kernel.mistake.empty()) mistakes.insert(kernel.mistake);
  }
  std::string text;
  for (const std::string& mistake : mistakes) text += mistake + "; ";
  if (!text.empty()) text += "the last good kernel stays in use";
  if (text == notice_.text) return;
  if (!text.empty()) ++notice_.number;
  notice_.text = std::move(text);
}

}  // namespace dit::vulkan
