// SPDX-License-Identifier: MIT
#include "engine/files/unsynced.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "engine/error.h"

namespace dit {
namespace {

/// Calls that say that a file system has no such thing are no failures; nor is a folder that may not be read.
int failure_of(int (*call)(int), int file) noexcept {
  while (call(file) != 0) {
    if (errno == EINTR) continue;
    return errno == EINVAL || errno == ENOSYS || errno == EOPNOTSUPP || errno == EROFS || errno == EBADF ? 0 : errno;
  }
  return 0;
}

}  // namespace

int sync_file(int file) noexcept { return failure_of(::fsync, file); }

Unsynced::~Unsynced() {
  for (const auto& [device, disk] : disks_) ::close(disk.file);
}

void Unsynced::add(const std::filesystem::path& path) {
  struct stat status = {};
  // One that somebody took away is not missed.
  if (::stat(path.c_str(), &status) != 0 || !S_ISREG(status.st_mode)) return;
  ++files_;
  if (disks_.contains(status.st_dev)) return;
  const int file = ::open(path.c_str(), O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
  if (file >= 0) disks_[status.st_dev] = {file, path};
}

void Unsynced::sync() {
  if (files_ < few) return;
  for (const auto& [device, disk] : disks_) {
    const int reason = failure_of(::syncfs, disk.file);
    expect(reason == 0, ErrorKind::unreadable, "cannot bring what was written beside '{}' to the disk: {}",
           disk.path.string(), std::strerror(reason));
  }
}

}  // namespace dit
