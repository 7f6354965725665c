// SPDX-License-Identifier: MIT
#include "engine/vulkan/device/sources/shader_compiler.h"

#include <dlfcn.h>

#include <cstring>
#include <fstream>
#include <iterator>
#include <optional>
#include <string>

namespace dit::vulkan {
namespace {

// What <shaderc/shaderc.h> of shaderc 2023.2 declares (Debian package libshaderc-dev) of all that is needed here.
extern "C" {
struct shaderc_compiler;
struct shaderc_compile_options;
struct shaderc_compilation_result;
struct shaderc_include_result {
  const char* source_name;  // empty: `content` says what is wrong
  std::size_t source_name_length;
  const char* content;
  std::size_t content_length;
  void* user_data;
};
using ResolveInclude = shaderc_include_result*(void* user_data, const char* requested, int type, const char* requesting,
                                               std::size_t depth);
using ReleaseInclude = void(void* user_data, shaderc_include_result* result);
}
constexpr int compute_shader = 2, target_vulkan = 0, level_zero = 0, level_performance = 2, status_success = 0;

std::optional<std::string> text_of(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return {};
  return std::string(std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>());
}

/// Answers the includes of one compilation.
struct Includes {
  const std::filesystem::path& folder;
  std::vector<SourceFile>& files;

  struct Answer {
    shaderc_include_result result{};
    std::string name, text;
  };

  static shaderc_include_result* resolve(void* self, const char* requested, int, const char* requesting, std::size_t) {
    return static_cast<Includes*>(self)->answer(requested, requesting);
  }
  static void release(void*, shaderc_include_result* result) { delete static_cast<Answer*>(result->user_data); }

  shaderc_include_result* answer(std::string_view requested, const char* requesting) {
    constexpr std::string_view root = "shaders/";
    auto answer = std::make_unique<Answer>();
    if (const std::string_view generated = generated_source(requested); !generated.empty()) {
      answer->name = requested;
      answer->text = generated;
    } else {
      const bool of_root = requested.starts_with(root);
      const std::filesystem::path path = of_root ? folder / requested.substr(root.size())
                                                 : std::filesystem::path(requesting).parent_path() / requested;
      files.push_back(SourceFile::now(path));
      std::optional<std::string> text = text_of(path);
      if (text) answer->name = path.string();
      answer->text = text ? std::move(*text) : "cannot read " + path.string();
    }
    answer->result = {answer->name.data(), answer->name.size(), answer->text.data(), answer->text.size(), answer.get()};
    return &answer.release()->result;
  }
};

/// Without the line that counts the errors, and in one line.
std::string trimmed(std::string text) {
  if (const std::size_t count = text.find(" generated.\n"); count != std::string::npos) {
    const std::size_t line = text.rfind('\n', count);
    text.resize(line == std::string::npos ? 0 : line);
  }
  while (!text.empty() && text.back() == '\n') text.pop_back();
  for (std::size_t at = 0; (at = text.find('\n', at)) != std::string::npos;) text.replace(at, 1, "; ");
  return text;
}

}  // namespace

SourceFile SourceFile::now(std::filesystem::path path) {
  std::error_code none;  // a file that is not there has the time and size of its own that errors give
  const std::filesystem::file_time_type time = std::filesystem::last_write_time(path, none);
  const std::uintmax_t size_bytes = std::filesystem::file_size(path, none);
  return {.path = std::move(path), .time = time, .size_bytes = size_bytes};
}

struct ShaderCompiler::Library {
  explicit Library(const char* name)
      // Never unloaded: threads may hold what its parser keeps for each of them.
      : handle(dlopen(name, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE)) {
    expect(handle, ErrorKind::not_found,
           "DIT_SHADER_DIR: expected the library {} to compile kernels with (Debian package libshaderc1), found: {}",
           name, dlerror());
    load(make_compiler, "shaderc_compiler_initialize");
    load(free_compiler, "shaderc_compiler_release");
    load(make_options, "shaderc_compile_options_initialize");
    load(free_options, "shaderc_compile_options_release");
    load(define, "shaderc_compile_options_add_macro_definition");
    load(set_level, "shaderc_compile_options_set_optimization_level");
    load(set_target, "shaderc_compile_options_set_target_env");
    load(set_includes, "shaderc_compile_options_set_include_callbacks");
    load(set_warnings_as_errors, "shaderc_compile_options_set_warnings_as_errors");
    load(compile, "shaderc_compile_into_spv");
    load(free_result, "shaderc_result_release");
    load(status, "shaderc_result_get_compilation_status");
    load(length, "shaderc_result_get_length");
    load(bytes, "shaderc_result_get_bytes");
    load(message, "shaderc_result_get_error_message");
    compiler = make_compiler();
    expect(compiler, ErrorKind::out_of_memory, "{}: no compiler", name);
  }
  ~Library() {
    if (compiler) free_compiler(compiler);
    dlclose(handle);
  }
  Library(const Library&) = delete;
  Library& operator=(const Library&) = delete;

  void* handle;
  shaderc_compiler* (*make_compiler)();
  void (*free_compiler)(shaderc_compiler*);
  shaderc_compile_options* (*make_options)();
  void (*free_options)(shaderc_compile_options*);
  void (*define)(shaderc_compile_options*, const char*, std::size_t, const char*, std::size_t);
  void (*set_level)(shaderc_compile_options*, int);
  void (*set_target)(shaderc_compile_options*, int, std::uint32_t);
  void (*set_includes)(shaderc_compile_options*, ResolveInclude*, ReleaseInclude*, void*);
  void (*set_warnings_as_errors)(shaderc_compile_options*);
  shaderc_compilation_result* (*compile)(const shaderc_compiler*, const char*, std::size_t, int, const char*,
                                         const char*, const shaderc_compile_options*);
  void (*free_result)(shaderc_compilation_result*);
  int (*status)(const shaderc_compilation_result*);
  std::size_t (*length)(const shaderc_compilation_result*);
  const char* (*bytes)(const shaderc_compilation_result*);
  const char* (*message)(const shaderc_compilation_result*);
  shaderc_compiler* compiler = nullptr;

 private:
  template <typename Function>
  void load(Function*& function, const char* name) const {
    function = reinterpret_cast<Function*>(dlsym(handle, name));
    expect(function, ErrorKind::not_found, "DIT_SHADER_DIR: expected {} in {}, found a library without it", name,
           library_name);
  }
};

ShaderCompiler::ShaderCompiler(std::filesystem::path folder, const char* library) : folder_(std::move(folder)) {
  std::error_code error;
  expect(
      std::filesystem::is_directory(folder_ / "plain", error), ErrorKind::not_found,
      "DIT_SHADER_DIR={}: expected the folder shaders/ of the sources, with plain/, common/ and fused/ in it, found {}",
      folder_.string(), std::filesystem::is_directory(folder_, error) ? "a folder without them" : "no folder");
  library_ = std::make_unique<const Library>(library);
}

ShaderCompiler::~ShaderCompiler() = default;

std::vector<std::uint32_t> ShaderCompiler::compile(const KernelSource& kernel, std::vector<SourceFile>& files) const {
  const Library& shaderc = *library_;
  const std::filesystem::path path = folder_ / kernel.file;
  files.assign(1, SourceFile::now(path));
  const std::optional<std::string> text = text_of(path);
  if (!text) throw ShaderError(fmt::format("{}: expected a kernel, found no file that can be read", path.string()));

  const std::unique_ptr<shaderc_compile_options, decltype(shaderc.free_options)> options(shaderc.make_options(),
                                                                                         shaderc.free_options);
  expect(options != nullptr, ErrorKind::out_of_memory, "{}: no compiler", path.string());
  if (!kernel.definition.empty())
    shaderc.define(options.get(), kernel.definition.data(), kernel.definition.size(), nullptr, 0);
  shaderc.set_level(options.get(), kernel.optimised ? level_performance : level_zero);
  shaderc.set_target(options.get(), target_vulkan, std::uint32_t{1} << 22 | kernel.vulkan_minor << 12);
  shaderc.set_warnings_as_errors(options.get());
  Includes includes = {.folder = folder_, .files = files};
  shaderc.set_includes(options.get(), Includes::resolve, Includes::release, &includes);

  const std::unique_ptr<shaderc_compilation_result, decltype(shaderc.free_result)> result(
      shaderc.compile(shaderc.compiler, text->data(), text->size(), compute_shader, path.c_str(), "main",
                      options.get()),
      shaderc.free_result);
  expect(result != nullptr, ErrorKind::out_of_memory, "{}: cannot be compiled", path.string());
  if (shaderc.status(result.get()) != status_success) throw ShaderError(trimmed(shaderc.message(result.get())));
  std::vector<std::uint32_t> words(shaderc.length(result.get()) / sizeof(std::uint32_t));
  std::memcpy(words.data(), shaderc.bytes(result.get()), words.size() * sizeof(std::uint32_t));
  return words;
}

}  // namespace dit::vulkan
