// SPDX-License-Identifier: MIT
// A file's bytes, read when they are asked for into memory of our own. A file that is mapped ends its reader by SIGBUS
// when somebody shortens it; this one gives an error.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace dit {

/// What is kept open of one file, and room for as much of it as was read. Reading costs what mapping costs: 80 MB from
/// a warm cache 29 ms against 27 ms, since the room is made of large pages (two cores of an AMD EPYC, medians of 15).
/// thread  any
class FileBytes {
 public:
  /// Never waits: a pipe, a device or a folder is refused, not opened.
  /// errors  not_found, unreadable
  /// what  begins the texts of errors
  static std::shared_ptr<const FileBytes> open(const std::filesystem::path& path, const char* what = "weights");
  ~FileBytes();
  FileBytes(const FileBytes&) = delete;
  FileBytes& operator=(const FileBytes&) = delete;

  /// Where the bytes of the file are once they were read; until then the room holds zeros.
  std::span<const std::byte> room() const noexcept { return {data_, size_}; }
  /// Brings a range of the room up to date; costs nothing where it is.
  /// errors  unreadable: the disk fails, or the file is not what it was when it was opened
  void read(std::span<const std::byte> range) const;
  /// Gives the memory of whole pages within the range back to the system until they are read again. A range that is not
  /// of this file is left alone.
  void release(std::span<const std::byte> range) const noexcept;

 private:
  struct State;
  FileBytes();

  std::byte* data_ = nullptr;
  std::size_t size_ = 0;
  std::unique_ptr<State> state_;
};

/// A piece of memory, or of a file that is read when it is looked at. Whoever looks twice keeps what read() gave.
class Bytes {
 public:
  Bytes() = default;
  /// Memory. Implicit, because memory is a file that was read.
  Bytes(std::span<const std::byte> memory) : range_(memory) {}
  Bytes(const std::vector<std::byte>& memory) : range_(memory) {}
  /// All of a file, which outlives this.
  explicit Bytes(const FileBytes& file) : range_(file.room()), file_(&file) {}

  std::size_t size() const noexcept { return range_.size(); }
  bool empty() const noexcept { return range_.empty(); }
  Bytes subspan(std::size_t first, std::size_t count) const { return {range_.subspan(first, count), file_}; }
  /// Where it lies, for comparing; not to be looked at.
  const void* place() const noexcept { return range_.data(); }

  /// errors  unreadable
  std::span<const std::byte> read() const {
    if (file_) file_->read(range_);
    return range_;
  }
  const std::byte* data() const { return read().data(); }
  operator std::span<const std::byte>() const { return read(); }
  /// See FileBytes::release. Memory is left alone.
  void release() const noexcept {
    if (file_) file_->release(range_);
  }

 private:
  Bytes(std::span<const std::byte> range, const FileBytes* file) : range_(range), file_(file) {}

  std::span<const std::byte> range_;
  const FileBytes* file_ = nullptr;
};

/// For a library that reads by itself; the caller closes it. Never waits, as above. errors  not_found, unreadable
std::FILE* open_regular(const std::filesystem::path& path, const char* what);

/// A whole small file. Never waits, as above.
/// errors  not_found, unreadable (also more than `most` bytes); `what` begins their texts: "weights", "capture"
std::string read_text(const std::filesystem::path& path, std::size_t most, const char* what);

}  // namespace dit
