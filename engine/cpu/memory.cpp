// SPDX-License-Identifier: MIT
#include "engine/cpu/memory.h"

#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <cstring>

#include "engine/error.h"

#ifdef __linux__
#include <sys/mman.h>
#endif

namespace dit::cpu {

std::size_t host_memory_bytes() noexcept {
  const long pages = sysconf(_SC_PHYS_PAGES), page = sysconf(_SC_PAGESIZE);
  return pages > 0 && page > 0 ? static_cast<std::size_t>(pages) * static_cast<std::size_t>(page) : SIZE_MAX / 2;
}

void Block::Free::operator()(std::byte* bytes) const noexcept { std::free(bytes); }

Block::Block(std::size_t size_bytes, const char* what) {
  constexpr std::size_t huge_page = 2u << 20;
  const std::size_t alignment = size_bytes >= huge_page ? huge_page : 64;
  // Where the kernel promises more than there is, touching it ends the process; so it is not asked for.
  const std::size_t present = host_memory_bytes();
  expect(size_bytes <= present, ErrorKind::out_of_memory, "{}: expected {} bytes of host memory, the machine has {}",
         what, size_bytes, present);
  const std::size_t rounded = (size_bytes + alignment - 1) / alignment * alignment;
  if (rounded == 0) return;
  bytes_.reset(static_cast<std::byte*>(std::aligned_alloc(alignment, rounded)));
  if (!bytes_) fail(ErrorKind::out_of_memory, "{}: expected {} bytes of host memory, found fewer", what, size_bytes);
#ifdef __linux__
  // Only advice: where it fails, the pages are small and all is a little slower.
  if (alignment == huge_page) (void)madvise(bytes_.get(), rounded, MADV_HUGEPAGE);
#endif
  std::memset(bytes_.get(), 0, rounded);
  size_bytes_ = rounded;
}

}  // namespace dit::cpu
