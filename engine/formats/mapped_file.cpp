// SPDX-License-Identifier: MIT
#include "engine/formats/mapped_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "engine/error.h"

namespace dit {

std::shared_ptr<const MappedFile> MappedFile::open(const std::filesystem::path& path) {
  const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0) {
    const int error = errno;
    fail(error == ENOENT || error == ENOTDIR ? ErrorKind::not_found : ErrorKind::unreadable,
         "weights '{}': cannot open: {}", path.string(), std::strerror(error));
  }
  std::shared_ptr<MappedFile> mapped(new MappedFile);
  struct stat status {};
  const bool ok = ::fstat(file, &status) == 0 && S_ISREG(status.st_mode);
  if (ok && status.st_size > 0) {
    mapped->size_ = static_cast<std::size_t>(status.st_size);
    mapped->data_ = ::mmap(nullptr, mapped->size_, PROT_READ, MAP_PRIVATE, file, 0);
  }
  const int error = errno;
  ::close(file);
  expect(ok, ErrorKind::unreadable, "weights '{}': expected a regular file", path.string());
  expect(mapped->data_ != MAP_FAILED, ErrorKind::unreadable, "weights '{}': cannot map: {}", path.string(),
         std::strerror(error));
  return mapped;
}

MappedFile::~MappedFile() {
  if (data_ && data_ != MAP_FAILED) ::munmap(data_, size_);
}

}  // namespace dit
