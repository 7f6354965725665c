// SPDX-License-Identifier: MIT
#include "engine/files/new_file.h"

#include <fmt/core.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstring>
#include <string>
#include <system_error>

#include "engine/error.h"

namespace dit {
namespace fs = std::filesystem;

NewFile::NewFile(const fs::path& path) : path_(path) {
  std::error_code error;
  target_ = fs::weakly_canonical(path, error);
  if (target_.empty()) target_ = path;
  const bool through = fs::exists(target_, error) && fs::is_other(target_, error);
  // Threads may write the same file too.
  static std::atomic<unsigned> count = 0;
  if (!through) unfinished_ = target_.string() + fmt::format(".part{}-{}", ::getpid(), count++);
  file_.reset(std::fopen(through ? target_.c_str() : unfinished_.c_str(), "wb"));
  const int reason = errno;
  if (!file_) unfinished_.clear();
  expect(file_ != nullptr, ErrorKind::unreadable, "cannot write '{}': {}", path_.string(), std::strerror(reason));
}

NewFile::~NewFile() {
  std::error_code ignored;
  if (!unfinished_.empty()) fs::remove(unfinished_, ignored);
}

void NewFile::write(std::span<const std::byte> bytes) {
  const bool written = bytes.empty() || std::fwrite(bytes.data(), 1, bytes.size(), file_.get()) == bytes.size();
  expect(written, ErrorKind::unreadable, "cannot write '{}': {}", path_.string(), std::strerror(errno));
}

void NewFile::finish() {
  expect(std::fclose(file_.release()) == 0, ErrorKind::unreadable, "cannot write '{}': {}", path_.string(),
         std::strerror(errno));
  if (unfinished_.empty()) return;
  std::error_code error;
  fs::rename(unfinished_, target_, error);
  expect(!error, ErrorKind::unreadable, "cannot write '{}': {}", path_.string(), error.message());
  unfinished_.clear();
}

}  // namespace dit
