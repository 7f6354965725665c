// SPDX-License-Identifier: MIT
#include "engine/files/mapped_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
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
  struct stat status = {};
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

void MappedFile::release(std::span<const std::byte> range) const noexcept {
  const auto all = reinterpret_cast<std::uintptr_t>(data_), begin = reinterpret_cast<std::uintptr_t>(range.data());
  if (begin < all || begin + range.size() > all + size_) return;
  const auto page = static_cast<std::uintptr_t>(sysconf(_SC_PAGESIZE));
  const std::uintptr_t first = (begin + page - 1) / page * page, last = (begin + range.size()) / page * page;
  // The mapping is private and never written, so that the pages come back with the same bytes. Failing costs memory
  // only.
  if (first < last) (void)madvise(reinterpret_cast<void*>(first), last - first, MADV_DONTNEED);
}

}  // namespace dit
