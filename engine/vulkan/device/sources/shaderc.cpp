// SPDX-License-Identifier: MIT
#include "engine/vulkan/device/sources/shaderc.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstring>
#include <thread>

#include "engine/vulkan/device/sources/shader_text.h"

extern char** environ;

namespace dit::vulkan {
namespace {

// What <shaderc/shaderc.h> of shaderc 2023.2 declares (Debian package libshaderc-dev) of all that is needed here.
extern "C" {
struct shaderc_compiler;
struct shaderc_compile_options;
struct shaderc_compilation_result;
}
constexpr int compute_shader = 2, target_vulkan = 0, level_zero = 0, level_performance = 2, status_success = 0;

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

std::vector<std::uint32_t> words_of(const void* bytes, std::size_t size_bytes) {
  std::vector<std::uint32_t> words(size_bytes / sizeof(std::uint32_t));
  if (!words.empty()) std::memcpy(words.data(), bytes, words.size() * sizeof(std::uint32_t));
  return words;
}

class Library : public Shaderc {
 public:
  explicit Library(const char* name)
      // Never unloaded: threads may hold what its parser keeps for each of them.
      : handle_(dlopen(name, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE)) {
    if (!handle_) fail(ErrorKind::not_found, "{}", dlerror());
    load(make_compiler_, "shaderc_compiler_initialize");
    load(free_compiler_, "shaderc_compiler_release");
    load(make_options_, "shaderc_compile_options_initialize");
    load(free_options_, "shaderc_compile_options_release");
    load(define_, "shaderc_compile_options_add_macro_definition");
    load(set_level_, "shaderc_compile_options_set_optimization_level");
    load(set_target_, "shaderc_compile_options_set_target_env");
    load(set_warnings_as_errors_, "shaderc_compile_options_set_warnings_as_errors");
    load(compile_, "shaderc_compile_into_spv");
    load(free_result_, "shaderc_result_release");
    load(status_, "shaderc_result_get_compilation_status");
    load(length_, "shaderc_result_get_length");
    load(bytes_, "shaderc_result_get_bytes");
    load(message_, "shaderc_result_get_error_message");
    compiler_ = make_compiler_();
    expect(compiler_, ErrorKind::out_of_memory, "{}: no compiler", name);
  }
  ~Library() override {
    if (compiler_) free_compiler_(compiler_);
    dlclose(handle_);
  }
  Library(const Library&) = delete;
  Library& operator=(const Library&) = delete;

  std::vector<std::uint32_t> compile(const ShaderText& shader) const override {
    const std::unique_ptr<shaderc_compile_options, decltype(free_options_)> options(make_options_(), free_options_);
    expect(options != nullptr, ErrorKind::out_of_memory, "{}: no compiler", shader.name);
    if (!shader.definition.empty())
      define_(options.get(), shader.definition.data(), shader.definition.size(), nullptr, 0);
    set_level_(options.get(), shader.optimised ? level_performance : level_zero);
    set_target_(options.get(), target_vulkan, std::uint32_t{1} << 22 | shader.vulkan_minor << 12);
    set_warnings_as_errors_(options.get());
    const std::unique_ptr<shaderc_compilation_result, decltype(free_result_)> result(
        compile_(compiler_, shader.text.data(), shader.text.size(), compute_shader, shader.name.c_str(), "main",
                 options.get()),
        free_result_);
    expect(result != nullptr, ErrorKind::out_of_memory, "{}: cannot be compiled", shader.name);
    if (status_(result.get()) != status_success) throw ShaderError(trimmed(message_(result.get())));
    return words_of(bytes_(result.get()), length_(result.get()));
  }

 private:
  template <typename Function>
  void load(Function*& function, const char* name) const {
    function = reinterpret_cast<Function*>(dlsym(handle_, name));
    if (!function) fail(ErrorKind::not_found, "{}", dlerror());
  }

  void* handle_;
  shaderc_compiler* (*make_compiler_)();
  void (*free_compiler_)(shaderc_compiler*);
  shaderc_compile_options* (*make_options_)();
  void (*free_options_)(shaderc_compile_options*);
  void (*define_)(shaderc_compile_options*, const char*, std::size_t, const char*, std::size_t);
  void (*set_level_)(shaderc_compile_options*, int);
  void (*set_target_)(shaderc_compile_options*, int, std::uint32_t);
  void (*set_warnings_as_errors_)(shaderc_compile_options*);
  shaderc_compilation_result* (*compile_)(const shaderc_compiler*, const char*, std::size_t, int, const char*,
                                          const char*, const shaderc_compile_options*);
  void (*free_result_)(shaderc_compilation_result*);
  int (*status_)(const shaderc_compilation_result*);
  std::size_t (*length_)(const shaderc_compilation_result*);
  const char* (*bytes_)(const shaderc_compilation_result*);
  const char* (*message_)(const shaderc_compilation_result*);
  shaderc_compiler* compiler_ = nullptr;
};

/// A file without a name, so that neither side waits for the other to read.
class MemoryFile {
 public:
  explicit MemoryFile(std::string_view content = {}) : descriptor_(memfd_create("dit-shader", MFD_CLOEXEC)) {
    const auto size = static_cast<ssize_t>(content.size());
    expect(descriptor_ >= 0 && write(descriptor_, content.data(), content.size()) == size, ErrorKind::device,
           "shader compiler: cannot hold {} bytes: {}", size, std::strerror(errno));
    lseek(descriptor_, 0, SEEK_SET);
  }
  ~MemoryFile() { close(descriptor_); }
  MemoryFile(const MemoryFile&) = delete;
  MemoryFile& operator=(const MemoryFile&) = delete;

  int descriptor() const { return descriptor_; }
  std::string content() const {
    std::string text(static_cast<std::size_t>(std::max<off_t>(0, lseek(descriptor_, 0, SEEK_END))), '\0');
    const ssize_t count = pread(descriptor_, text.data(), text.size(), 0);
    text.resize(static_cast<std::size_t>(std::max<ssize_t>(0, count)));
    return text;
  }

 private:
  int descriptor_;
};

class Glslc : public Shaderc {
 public:
  explicit Glslc(const char* program) : program_(program) {
    const MemoryFile nothing, output, errors;
    run({"--version"}, nothing, output, errors);
  }

  std::vector<std::uint32_t> compile(const ShaderText& shader) const override {
    std::vector<std::string> options = {"-fshader-stage=compute", shader.optimised ? "-O" : "-O0",
                                        fmt::format("--target-env=vulkan1.{}", shader.vulkan_minor), "-Werror"};
    if (!shader.definition.empty()) options.push_back(fmt::format("-D{}", shader.definition));
    options.insert(options.end(), {"-o", "-", "-"});
    const MemoryFile input(shader.text), output, errors;
    const int status = run(std::move(options), input, output, errors);
    if (status != 0) {
      const std::string text = trimmed(named(errors.content(), shader.name));
      throw ShaderError(text.empty() ? fmt::format("{}: {} fails with {}", shader.name, program_, status) : text);
    }
    const std::string words = output.content();
    return words_of(words.data(), words.size());
  }

 private:
  /// Exit status.
  int run(std::vector<std::string> options, const MemoryFile& input, const MemoryFile& output,
          const MemoryFile& errors) const {
    options.insert(options.begin(), program_);
    std::vector<char*> arguments;
    for (std::string& option : options) arguments.push_back(option.data());
    arguments.push_back(nullptr);
    posix_spawn_file_actions_t files;
    posix_spawn_file_actions_init(&files);
    posix_spawn_file_actions_adddup2(&files, input.descriptor(), STDIN_FILENO);
    posix_spawn_file_actions_adddup2(&files, output.descriptor(), STDOUT_FILENO);
    posix_spawn_file_actions_adddup2(&files, errors.descriptor(), STDERR_FILENO);
    pid_t child = -1;
    const int problem = posix_spawnp(&child, program_.c_str(), &files, nullptr, arguments.data(), environ);
    posix_spawn_file_actions_destroy(&files);
    expect(problem == 0, ErrorKind::not_found, "{}: {}", program_, std::strerror(problem));
    return status_of(child);
  }

  int status_of(pid_t child) const {
    using Clock = std::chrono::steady_clock;
    constexpr std::chrono::minutes limit(2);
    int status = 0;
    for (const auto start = Clock::now(); Clock::now() - start < limit;) {
      const pid_t ended = waitpid(child, &status, WNOHANG);
      if (ended == child) return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
      expect(ended == 0 || errno == EINTR, ErrorKind::device, "{}: {}", program_, std::strerror(errno));
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    kill(child, SIGKILL);
    waitpid(child, &status, 0);
    fail(ErrorKind::device, "{}: expected an end within two minutes, found none", program_);
  }

  static std::string named(std::string text, const std::string& name) {
    constexpr std::string_view unnamed = "<stdin>:";
    for (std::size_t at = 0; (at = text.find(unnamed, at)) != std::string::npos;) {
      text.replace(at, unnamed.size() - 1, name);
    }
    return text;
  }

  std::string program_;
};

}  // namespace

std::unique_ptr<Shaderc> open_shaderc(const char* library) { return std::make_unique<Library>(library); }

std::unique_ptr<Shaderc> open_glslc(const char* program) { return std::make_unique<Glslc>(program); }

}  // namespace dit::vulkan
