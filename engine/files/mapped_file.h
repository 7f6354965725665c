// SPDX-License-Identifier: MIT
// A file's bytes, mapped read-only: what every reader in this folder parses.
#pragma once

#include <cstddef>
#include <filesystem>
#include <memory>
#include <span>

namespace dit {

class MappedFile {
 public:
  /// errors  not_found, unreadable
  static std::shared_ptr<const MappedFile> open(const std::filesystem::path& path);
  ~MappedFile();
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;

  std::span<const std::byte> bytes() const noexcept { return {static_cast<const std::byte*>(data_), size_}; }
  /// Gives the memory of whole pages within the range back to the system until they are read again. A range that is not
  /// of this file is left alone.
  void release(std::span<const std::byte> range) const noexcept;

 private:
  MappedFile() = default;

  void* data_ = nullptr;
  std::size_t size_ = 0;
};

}  // namespace dit
