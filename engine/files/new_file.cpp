// SPDX-License-Identifier: MIT
#include "engine/files/new_file.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <charconv>
#include <cstdint>
#include <cstring>
#include <system_error>
#include <utility>

#include "engine/error.h"
#include "engine/files/unsynced.h"

namespace dit {
namespace fs = std::filesystem;
namespace {

/// What a handler of a signal may read: paths of files without end, one an entry. Few are written at once.
struct Unfinished {
  std::atomic<bool> taken{false}, ready{false};
  std::array<char, 4096> path{};
};
std::array<Unfinished, 64> unfinished_files;

// A handler that ends the process waits a moment for threads that are making a named file, and they for its end.
std::atomic<bool> ending{false};
std::atomic<int> making{0};

/// While a named file is made. Nothing may be made where it says that the process ends.
class Making {
 public:
  Making() { ++making; }
  ~Making() { --making; }
  Making(const Making&) = delete;
  Making& operator=(const Making&) = delete;
  bool allowed() const {
    if (ending) errno = EINTR;
    return !ending;
  }
};

/// Which entry it has; -1: there is no room. Within a Making, so that no path is written while a handler reads it.
int note_unfinished(const std::string& path) noexcept {
  for (std::size_t i = 0; i < unfinished_files.size(); ++i) {
    Unfinished& entry = unfinished_files[i];
    if (path.size() >= entry.path.size() || entry.taken.exchange(true)) continue;
    std::memcpy(entry.path.data(), path.c_str(), path.size() + 1);
    entry.ready = true;
    return static_cast<int>(i);
  }
  return -1;
}

void forget_unfinished(int entry) noexcept {
  if (entry < 0) return;
  unfinished_files[static_cast<std::size_t>(entry)].ready = false;
  unfinished_files[static_cast<std::size_t>(entry)].taken = false;
}

/// A name that nobody can have made before: 15 letters.
std::string random_name() {
  std::uint64_t bits = 0;
  if (::getrandom(&bits, sizeof bits, 0) != sizeof bits) {
    fail(ErrorKind::unreadable, "no random name for a file: {}", std::strerror(errno));
  }
  return fmt::format(".dit-{:010x}", bits & 0xffffffffffu);
}

/// Whether a new file can be given this one's owner. Of the groups only trying tells.
bool can_own(const struct stat& status) { return ::geteuid() == 0 || status.st_uid == ::geteuid(); }

}  // namespace

/// The folder of a file, held open, so that whoever moves it meanwhile changes nothing.
class NewFile::Folder {
 public:
  explicit Folder(const fs::path& path) : path_(path.empty() ? "." : path) {
    descriptor_ = ::open(path_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    // Writing to a folder does not need reading it.
    if (descriptor_ < 0 && errno == EACCES) descriptor_ = ::open(path_.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC);
  }
  ~Folder() {
    if (descriptor_ >= 0) ::close(descriptor_);
  }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;

  int descriptor() const { return descriptor_; }
  std::string path_of(const std::string& name) const { return (path_ / name).string(); }

 private:
  fs::path path_;
  int descriptor_ = -1;
};

int own_descriptor(const fs::path& path) {
  const std::string name = path.filename().string();
  int number = -1;
  const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), number);
  if (error != std::errc() || end != name.data() + name.size()) return -1;
  struct stat folder = {}, own = {};
  const bool there = ::stat(path.parent_path().c_str(), &folder) == 0 && ::stat("/proc/self/fd", &own) == 0;
  return there && folder.st_dev == own.st_dev && folder.st_ino == own.st_ino ? number : -1;
}

fs::path link_target(const fs::path& path) {
  constexpr int most_links = 40;  // as Linux
  fs::path target = path;
  for (int links = 0; links < most_links; ++links) {
    struct stat status = {};
    if (::lstat(target.c_str(), &status) != 0 || !S_ISLNK(status.st_mode)) break;
    if (own_descriptor(target) >= 0) break;
    std::error_code error;
    const fs::path next = fs::read_symlink(target, error);
    if (error) break;
    target = target.parent_path() / next;
  }
  return target;
}

void NewFile::fail_to_write(int reason) const {
  // Only a handler that wants an end interrupts: others let go on what waits.
  if (reason == EINTR) throw Cancelled();
  const std::string link = target_ == path_ ? "" : fmt::format(" (a link to '{}')", target_.string());
  fail(ErrorKind::unreadable, "cannot write '{}'{}: {}", path_.string(), link, std::strerror(reason));
}

NewFile::NewFile(const fs::path& path, For reader) : path_(path), target_(link_target(path)) {
  struct stat status = {};
  if (const int own = own_descriptor(target_); own >= 0) {
    open_own(own);
    if (!file_) fail_to_write(errno);
    return;
  }
  exists_ = ::stat(target_.c_str(), &status) == 0;
  if (!exists_ && errno != ENOENT) fail_to_write(errno);
  if (exists_ && S_ISDIR(status.st_mode)) fail_to_write(EISDIR);
  int file = -1;
  if (exists_ && !S_ISREG(status.st_mode)) {
    way_ = Way::through;
    file = ::open(target_.c_str(), O_WRONLY | O_CLOEXEC | O_NOCTTY);
    if (file < 0) fail_to_write(errno);
    file_.reset(::fdopen(file, "wb"));
  } else {
    if (exists_ && ::faccessat(AT_FDCWD, target_.c_str(), W_OK, AT_EACCESS) != 0) fail_to_write(errno);
    name_ = target_.filename().string();
    if (name_.empty()) fail_to_write(ENOENT);
    folder_ = std::make_unique<Folder>(target_.parent_path());
    if (folder_->descriptor() < 0) fail_to_write(errno);
    if (exists_ && !can_own(status)) way_ = Way::in_place;
    open_staged(reader == For::owner ? 0600 : 0666);
  }
  if (!file_) fail_to_write(errno);
}

/// What a link of /proc says of a pipe is no path, and a file that has been opened has a place where it is written
/// next.
void NewFile::open_own(int descriptor) {
  struct stat status = {};
  const int flags = ::fcntl(descriptor, F_GETFL);
  if (flags < 0 || ::fstat(descriptor, &status) != 0) fail_to_write(errno);
  if ((flags & O_ACCMODE) == O_RDONLY) fail_to_write(EBADF);
  const int copy = ::fcntl(descriptor, F_DUPFD_CLOEXEC, 0);
  if (copy < 0) fail_to_write(errno);
  if (S_ISREG(status.st_mode)) {
    way_ = Way::at_own_place;
    own_.reset(::fdopen(copy, "wb"));
    open_staged(0);
  } else {
    way_ = Way::through;
    file_.reset(::fdopen(copy, "wb"));
  }
}

/// Where the bytes go until they are all there.
void NewFile::open_staged(int mode) {
  int file = -1;
  if (way_ == Way::nameless) {
    file = ::openat(folder_->descriptor(), ".", O_TMPFILE | O_RDWR | O_CLOEXEC, mode);
    const bool cannot = file < 0 && (errno == EOPNOTSUPP || errno == EISDIR || errno == EINVAL || errno == ENOENT);
    if (cannot) {
      way_ = Way::named;
      if (const Making now; now.allowed()) {
        begin_unfinished();
        file = ::openat(folder_->descriptor(), unfinished_.c_str(), O_CREAT | O_EXCL | O_NOFOLLOW | O_RDWR | O_CLOEXEC,
                        mode);
      }
      const int reason = errno;
      if (file < 0) end_unfinished();
      errno = reason;
    }
    if (file < 0 && exists_ && (errno == EACCES || errno == EPERM || errno == EROFS)) way_ = Way::in_place;
  }
  if (way_ == Way::in_place || way_ == Way::at_own_place) file = ::memfd_create("dit-file", MFD_CLOEXEC);
  if (file < 0) fail_to_write(errno);
  file_.reset(::fdopen(file, "w+b"));
}

NewFile::~NewFile() {
  if (unfinished_.empty()) return;
  (void)::unlinkat(folder_->descriptor(), unfinished_.c_str(), 0);
  end_unfinished();
}

void NewFile::begin_unfinished() {
  unfinished_ = random_name();
  noted_ = note_unfinished(folder_->path_of(unfinished_));
}

void NewFile::end_unfinished() noexcept {
  unfinished_.clear();
  forget_unfinished(std::exchange(noted_, -1));
}

void NewFile::write(std::span<const std::byte> bytes) {
  if (!bytes.empty() && std::fwrite(bytes.data(), 1, bytes.size(), file_.get()) != bytes.size()) fail_to_write(errno);
}

/// What was staged, into a file that is open: from its beginning, or from where it stands.
void NewFile::copy_into(int file) const {
  const int from = ::fileno(file_.get());
  std::array<char, 1 << 16> piece;
  for (off_t at = 0;;) {
    const ssize_t count = ::pread(from, piece.data(), piece.size(), at);
    if (count < 0) fail_to_write(errno);
    if (count == 0) return;
    for (ssize_t done = 0; done < count;) {
      const auto rest = static_cast<std::size_t>(count - done);
      const ssize_t written = way_ == Way::at_own_place ? ::write(file, piece.data() + done, rest)
                                                        : ::pwrite(file, piece.data() + done, rest, at + done);
      if (written < 0 && errno != EINTR) fail_to_write(errno);
      done += std::max<ssize_t>(0, written);
    }
    at += count;
  }
}

void NewFile::write_in_place() {
  struct stat staged = {};
  const int file = ::open(target_.c_str(), O_WRONLY | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY);
  if (file < 0 || ::fstat(::fileno(file_.get()), &staged) != 0) fail_to_write(errno);
  const std::unique_ptr<std::FILE, Close> closing(::fdopen(file, "r+b"));
  // A disk that has no room for it shall say so before the old content is gone. Some file systems cannot tell.
  if (staged.st_size > 0 && ::fallocate(file, 0, 0, staged.st_size) != 0 && errno == ENOSPC) fail_to_write(ENOSPC);
  copy_into(file);
  if (::ftruncate(file, staged.st_size) != 0) fail_to_write(errno);
  sync_if_asked(file);
}

void NewFile::sync_if_asked(int file) const {
  if (sync_ == Sync::later) return;
  if (const int reason = sync_file(file); reason != 0) fail_to_write(reason);
}

/// A name in the folder for what has none, or only a random one.
void NewFile::give_name() {
  const int folder = folder_->descriptor();
  if (way_ == Way::nameless) {
    const std::string source = fmt::format("/proc/self/fd/{}", ::fileno(file_.get()));
    if (!exists_ && ::linkat(AT_FDCWD, source.c_str(), folder, name_.c_str(), AT_SYMLINK_FOLLOW) == 0) return;
    const Making now;
    if (!now.allowed()) fail_to_write(errno);
    begin_unfinished();
    if (::linkat(AT_FDCWD, source.c_str(), folder, unfinished_.c_str(), AT_SYMLINK_FOLLOW) != 0) {
      // Without /proc it takes a copy.
      const int file = ::openat(folder, unfinished_.c_str(), O_CREAT | O_EXCL | O_NOFOLLOW | O_RDWR | O_CLOEXEC, 0600);
      if (file < 0) fail_to_write(errno);
      const std::unique_ptr<std::FILE, Close> closing(::fdopen(file, "r+b"));
      struct stat staged = {};
      if (::fstat(::fileno(file_.get()), &staged) == 0) (void)::fchmod(file, staged.st_mode & 0777);
      copy_into(file);
    }
  }
  if (::renameat(folder, unfinished_.c_str(), folder, name_.c_str()) == 0) {
    end_unfinished();
  } else if (exists_ && (errno == EBUSY || errno == EXDEV || errno == EPERM || errno == EACCES)) {
    write_in_place();  // the file is a mount, or not ours to replace in a folder like /tmp
  } else {
    fail_to_write(errno);
  }
}

void NewFile::finish(Sync sync) {
  if (std::fflush(file_.get()) != 0) fail_to_write(errno);
  if (way_ != Way::through) sync_ = sync;
  if (way_ == Way::in_place) {
    write_in_place();
  } else if (way_ == Way::at_own_place) {
    copy_into(::fileno(own_.get()));
    sync_if_asked(::fileno(own_.get()));
  } else if (way_ != Way::through) {
    struct stat status = {};
    const int file = ::fileno(file_.get());
    if (exists_ && ::stat(target_.c_str(), &status) == 0) {
      // Changing the owner takes bits off the mode.
      if (::fchown(file, status.st_uid, status.st_gid) != 0 || ::fchmod(file, status.st_mode & 0777) != 0) {
        return write_in_place();
      }
    }
    sync_if_asked(file);
    give_name();
    sync_if_asked(folder_->descriptor());
  }
  // Network file systems and quotas tell here.
  if (std::fclose(file_.release()) != 0) fail_to_write(errno);
}

void expect_writable(const fs::path& path) {
  std::error_code error;
  const fs::file_status status = fs::status(path, error);
  // Opening a pipe waits for its reader, and a device may mind.
  if (fs::exists(status) && !fs::is_regular_file(status) && !fs::is_directory(status)) return;
  const NewFile file(path);
}

void remove_unfinished() noexcept {
  constexpr int patience = 100;  // milliseconds; the thread that was interrupted may itself be making one
  ending = true;
  for (int waited = 0; making != 0 && waited < patience; ++waited) (void)::poll(nullptr, 0, 1);
  for (Unfinished& entry : unfinished_files)
    if (entry.ready) (void)::unlink(entry.path.data());
}

}  // namespace dit
