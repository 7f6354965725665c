// SPDX-License-Identifier: MIT
#include "engine/files/file_bytes.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <map>
#include <mutex>
#include <utility>

#include "engine/error.h"

namespace dit {
namespace {

/// A descriptor of a regular file, and its state when it was opened.
struct Opened {
  int file = -1;
  struct stat status = {};

  Opened(const std::filesystem::path& path, const char* what) {
    // Opening a device may do something, and a pipe's writer would take us for its reader.
    if (::stat(path.c_str(), &status) == 0 && !S_ISREG(status.st_mode)) refuse(path, what);
    // Without O_NONBLOCK the opening of a pipe that has come in between waits for somebody to write to it.
    file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    const int error = errno;
    if (file < 0) {
      fail(error == ENOENT || error == ENOTDIR ? ErrorKind::not_found : ErrorKind::unreadable,
           "{} '{}': cannot open: {}", what, path.string(), std::strerror(error));
    }
    if (::fstat(file, &status) == 0 && S_ISREG(status.st_mode)) return;
    ::close(file);
    refuse(path, what);
  }
  Opened(Opened&& other) noexcept : file(std::exchange(other.file, -1)), status(other.status) {}
  Opened& operator=(Opened&&) = delete;
  ~Opened() {
    if (file >= 0) ::close(file);
  }

  [[noreturn]] void refuse(const std::filesystem::path& path, const char* what) const {
    const char* kind = S_ISDIR(status.st_mode)    ? "a folder"
                       : S_ISFIFO(status.st_mode) ? "a pipe"
                       : S_ISSOCK(status.st_mode) ? "a socket"
                                                  : "a device";
    fail(ErrorKind::unreadable, "{} '{}': expected a regular file, found {}", what, path.string(), kind);
  }
  /// Whether size and time of change are still those of the opening.
  bool unchanged() const {
    struct stat now = {};
    return ::fstat(file, &now) == 0 && now.st_size == status.st_size && now.st_mtim.tv_sec == status.st_mtim.tv_sec &&
           now.st_mtim.tv_nsec == status.st_mtim.tv_nsec;
  }
};

/// What a read that gave too few bytes says of itself.
std::string reason(ssize_t count) { return count < 0 ? std::strerror(errno) : "it is shorter than when it was opened"; }

/// Reads until `size` bytes are there; less than it only together with a reason.
std::string fill(int file, std::byte* to, std::size_t size, std::uint64_t at) {
  for (std::size_t done = 0; done < size;) {
    const ssize_t count = ::pread(file, to + done, size - done, static_cast<off_t>(at + done));
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return reason(count);
    done += static_cast<std::size_t>(count);
  }
  return {};
}

}  // namespace

struct FileBytes::State {
  State(const char* w, std::string n, Opened o) : what(w), name(std::move(n)), opened(std::move(o)) {}

  const char* what;
  std::string name;
  Opened opened;
  std::mutex mutex;
  std::map<std::size_t, std::size_t> ready;  // first byte -> end, of what was read; none touch

  void add(std::size_t first, std::size_t last) {
    auto next = ready.upper_bound(first);
    if (next != ready.begin() && std::prev(next)->second >= first) --next;
    while (next != ready.end() && next->first <= last) {
      first = std::min(first, next->first);
      last = std::max(last, next->second);
      next = ready.erase(next);
    }
    ready.emplace(first, last);
  }
  void remove(std::size_t first, std::size_t last) {
    auto next = ready.upper_bound(first);
    if (next != ready.begin()) --next;
    while (next != ready.end() && next->first < last) {
      const auto [begin, end] = *next;
      next = end > first ? ready.erase(next) : std::next(next);
      if (end <= first) continue;
      if (begin < first) ready.emplace(begin, first);
      if (end > last) ready.emplace(last, end);
    }
  }
  /// Where reading has to go on within [first, last): its first byte that is not ready, and the end of that hole.
  std::pair<std::size_t, std::size_t> hole(std::size_t first, std::size_t last) const {
    auto next = ready.upper_bound(first);
    if (next != ready.begin() && std::prev(next)->second > first) first = std::prev(next)->second;
    return {first, next == ready.end() ? last : std::min(last, next->first)};
  }
};

FileBytes::FileBytes() {}

std::shared_ptr<const FileBytes> FileBytes::open(const std::filesystem::path& path, const char* what) {
  std::shared_ptr<FileBytes> file(new FileBytes);
  file->state_ = std::make_unique<State>(what, path.string(), Opened(path, what));
  file->size_ = static_cast<std::size_t>(file->state_->opened.status.st_size);
  if (file->size_ == 0) return file;
  // Address space, of which nothing is used until something is read.
  void* room = ::mmap(nullptr, file->size_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  const int error = errno;
  expect(room != MAP_FAILED, ErrorKind::out_of_memory, "{} '{}': no room for {} bytes: {}", what, path.string(),
         file->size_, std::strerror(error));
  file->data_ = static_cast<std::byte*>(room);
  // Small pages would cost three times the reading. Refusing costs time only.
  (void)::madvise(room, file->size_, MADV_HUGEPAGE);
  return file;
}

FileBytes::~FileBytes() {
  if (data_) ::munmap(data_, size_);
}

void FileBytes::read(std::span<const std::byte> range) const {
  if (range.empty()) return;
  State& state = *state_;
  const auto first = static_cast<std::size_t>(range.data() - data_), last = first + range.size();
  const std::lock_guard lock(state.mutex);
  bool any = false;
  for (std::size_t at = first;;) {
    const auto [begin, end] = state.hole(at, last);
    if (begin >= last) break;
    const std::string problem = fill(state.opened.file, data_ + begin, end - begin, begin);
    expect(problem.empty(), ErrorKind::unreadable, "{} '{}': cannot read {} bytes from {} on: {}", state.what,
           state.name, end - begin, begin, problem);
    state.add(begin, end);
    any = true;
    at = end;
  }
  if (!any) return;
  // Half of one file and half of another are nobody's weights.
  const bool same = state.opened.unchanged();
  if (!same) state.remove(first, last);
  expect(same, ErrorKind::unreadable, "{} '{}': somebody has changed the file since it was opened", state.what,
         state.name);
}

void FileBytes::release(std::span<const std::byte> range) const noexcept {
  if (!data_ || range.data() < data_ || range.data() + range.size() > data_ + size_) return;
  const auto page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
  const auto begin = static_cast<std::size_t>(range.data() - data_);
  const std::size_t first = (begin + page - 1) / page * page, last = (begin + range.size()) / page * page;
  if (first >= last) return;
  try {
    const std::lock_guard lock(state_->mutex);
    state_->remove(first, last);
    (void)::madvise(data_ + first, last - first, MADV_DONTNEED);  // failing costs memory only
  } catch (const std::bad_alloc&) {
  }
}

std::FILE* open_regular(const std::filesystem::path& path, const char* what) {
  Opened opened(path, what);
  std::FILE* file = ::fdopen(opened.file, "rb");
  expect(file != nullptr, ErrorKind::unreadable, "{} '{}': cannot open: {}", what, path.string(), std::strerror(errno));
  opened.file = -1;  // the stream's now
  return file;
}

std::string read_text(const std::filesystem::path& path, std::size_t most, const char* what) {
  const Opened opened(path, what);
  std::string text;
  for (;;) {
    const std::size_t had = text.size();
    text.resize(std::min(most + 1, had + (std::size_t{1} << 16)));
    const ssize_t count = ::pread(opened.file, text.data() + had, text.size() - had, static_cast<off_t>(had));
    if (count < 0 && errno != EINTR) {
      fail(ErrorKind::unreadable, "{} '{}': cannot read: {}", what, path.string(), std::strerror(errno));
    }
    text.resize(had + static_cast<std::size_t>(std::max<ssize_t>(0, count)));
    if (count == 0) return text;
    expect(text.size() <= most, ErrorKind::unreadable, "{} '{}': expected at most {} bytes, found more", what,
           path.string(), most);
  }
}

}  // namespace dit
