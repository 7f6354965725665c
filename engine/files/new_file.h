// SPDX-License-Identifier: MIT
// A file being written: it appears under its name when it is whole, or not at all.
#pragma once

#include <cstddef>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <span>
#include <string_view>

namespace dit {

/// Devices and pipes (/dev/null, /dev/stdout) are written through; renaming a file over them would replace them.
class NewFile {
 public:
  /// errors  unreadable: cannot be made
  explicit NewFile(const std::filesystem::path& path);
  /// Removes what was written unless finish() was called.
  ~NewFile();
  NewFile(const NewFile&) = delete;
  NewFile& operator=(const NewFile&) = delete;

  std::FILE* stream() noexcept { return file_.get(); }
  /// errors  unreadable: disk full and the like
  void write(std::span<const std::byte> bytes);
  void write(std::string_view text) { write(std::as_bytes(std::span(text))); }
  /// Flushes and gives the file its name. errors: unreadable
  void finish();

 private:
  struct Close {
    void operator()(std::FILE* file) const noexcept { std::fclose(file); }
  };

  std::filesystem::path path_, target_, unfinished_;
  std::unique_ptr<std::FILE, Close> file_;
};

}  // namespace dit
