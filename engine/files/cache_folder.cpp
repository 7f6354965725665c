// SPDX-License-Identifier: MIT
#include "engine/files/cache_folder.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <system_error>
#include <utility>

#include "engine/files/new_file.h"

namespace dit {
namespace fs = std::filesystem;
namespace {

constexpr std::size_t most_of_a_kind = 8;
// What a process that was killed left behind; nobody writes for so long.
constexpr std::chrono::hours stale{1};
constexpr std::string_view seal = "ditcache";

fs::path from_environment(const char* name) {
  const char* value = std::getenv(name);
  return value ? fs::path(value) : fs::path();
}

struct Descriptor {
  explicit Descriptor(int n) : number(n) {}
  ~Descriptor() {
    if (number >= 0) ::close(number);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int number;
};

/// Whether only this user can write to it.
bool is_ours(int file) {
  struct stat status = {};
  return ::fstat(file, &status) == 0 && status.st_uid == ::geteuid() && (status.st_mode & (S_IWGRP | S_IWOTH)) == 0;
}

/// A regular file of ours, up to `most` bytes or the end. A pipe by that name would be waited for.
std::optional<std::string> content_of(int folder, const std::string& name, std::size_t most, bool whole = true) {
  const Descriptor file(::openat(folder, name.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC));
  struct stat status = {};
  if (file.number < 0 || !is_ours(file.number) || ::fstat(file.number, &status) != 0 || !S_ISREG(status.st_mode)) {
    return {};
  }
  const auto size = static_cast<std::size_t>(status.st_size);
  if (whole && size > most + seal.size() + sizeof(std::uint64_t[2])) return {};
  std::string bytes(whole ? size : std::min(size, most), '\0');
  for (std::size_t done = 0; done < bytes.size();) {
    const ssize_t count = ::read(file.number, bytes.data() + done, bytes.size() - done);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return {};
    done += static_cast<std::size_t>(count);
  }
  return bytes;
}

bool has_seal(int folder, const std::string& name) { return content_of(folder, name, seal.size(), false) == seal; }

}  // namespace

CacheFolder CacheFolder::of_user() {
  if (std::getenv("DIT_CACHE")) return CacheFolder(from_environment("DIT_CACHE"));
  // The XDG Base Directory Specification: relative paths are to be ignored.
  if (const fs::path base = from_environment("XDG_CACHE_HOME"); base.is_absolute()) return CacheFolder(base / "ditsrc");
  if (const fs::path home = from_environment("HOME"); home.is_absolute()) return CacheFolder(home / ".cache/ditsrc");
  return CacheFolder();
}

/// Its descriptor; -1 where there is none that may be trusted.
int CacheFolder::open_folder() const {
  const int folder = ::open(path_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (folder < 0 || is_ours(folder)) return folder;
  ::close(folder);
  return -1;
}

std::optional<std::string> CacheFolder::read(const std::string& name) const noexcept {
  if (path_.empty()) return {};
  try {
    const Descriptor folder(open_folder());
    if (folder.number < 0) return {};
    const std::optional<std::string> file = content_of(folder.number, name, most_bytes);
    if (!file) return {};
    const std::optional<std::string_view> bytes = unsealed(*file);
    if (!bytes) return {};
    return std::string(*bytes);
  } catch (const std::exception&) {
    return {};
  }
}

/// Why it cannot be; empty: it is there, and ours alone.
std::string CacheFolder::make() const {
  if (path_.empty()) return "none is named, and there is no home";
  const fs::path own = path_.has_filename() ? path_ : path_.parent_path();  // without a slash at the end
  std::error_code error;
  if (own.has_parent_path()) fs::create_directories(own.parent_path(), error);
  if (error) return "cannot be made: " + error.message();
  if (::mkdir(own.c_str(), 0700) != 0 && errno != EEXIST) return std::string("cannot be made: ") + std::strerror(errno);
  const Descriptor folder(::open(own.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (folder.number < 0) return std::string("cannot be opened: ") + std::strerror(errno);
  return is_ours(folder.number) ? "" : "expected a folder of ours that nobody else can write to";
}

std::string CacheFolder::problem() const noexcept {
  try {
    std::string problem = make();
    if (problem.empty()) expect_writable(path_ / "tuned");
    return problem;
  } catch (const std::exception& error) {
    return error.what();
  }
}

bool CacheFolder::write(const std::string& name, std::string_view bytes) const noexcept {
  if (bytes.size() > most_bytes) return false;
  try {
    if (!make().empty()) return false;
    const Descriptor folder(open_folder());
    if (folder.number < 0) return false;
    struct stat status = {};
    const bool there = ::fstatat(folder.number, name.c_str(), &status, AT_SYMLINK_NOFOLLOW) == 0;
    // A link would be written through, and what is not ours was not written here.
    if (there && (!S_ISREG(status.st_mode) || status.st_uid != ::geteuid())) return false;
    NewFile file(path_ / name, NewFile::For::owner);
    file.write(sealed(bytes));
    file.finish();
    remove_oldest(folder.number, name);
    return true;
  } catch (const std::exception&) {
    return false;
  }
}

void CacheFolder::remove_oldest(int folder, const std::string& name) const {
  const std::string kind = name.substr(0, name.find('-') + 1), ending = fs::path(name).extension();
  if (kind.empty()) return;  // alone of its kind
  std::vector<std::pair<fs::file_time_type, std::string>> files;
  std::error_code ignored;  // another process may remove the same
  for (const fs::directory_entry& entry : fs::directory_iterator(path_)) {
    const std::string other = entry.path().filename();
    const bool unfinished = other.starts_with(".dit-");
    const bool same_kind = other.starts_with(kind) && entry.path().extension() == ending;
    if ((!unfinished && !same_kind) || !has_seal(folder, other)) continue;
    const fs::file_time_type time = entry.last_write_time(ignored);
    if (same_kind) {
      files.emplace_back(time, other);
    } else if (time < fs::file_time_type::clock::now() - stale) {
      (void)::unlinkat(folder, other.c_str(), 0);
    }
  }
  std::sort(files.begin(), files.end());
  for (std::size_t i = 0; i + most_of_a_kind < files.size(); ++i) (void)::unlinkat(folder, files[i].second.c_str(), 0);
}

std::uint64_t checksum(std::string_view bytes, std::uint64_t start) noexcept {
  for (const char byte : bytes) start = (start ^ static_cast<unsigned char>(byte)) * 0x100000001b3u;
  return start;
}

std::string sealed(std::string_view bytes) {
  const std::uint64_t words[] = {bytes.size(), checksum(bytes)};
  std::string file(seal);
  file.append(reinterpret_cast<const char*>(words), sizeof(words));
  file.append(bytes);
  return file;
}

std::optional<std::string_view> unsealed(std::string_view file) noexcept {
  std::uint64_t words[2];
  if (file.size() < seal.size() + sizeof(words) || !file.starts_with(seal)) return {};
  std::memcpy(words, file.data() + seal.size(), sizeof(words));
  const std::string_view bytes = file.substr(seal.size() + sizeof(words));
  if (bytes.size() != words[0] || checksum(bytes) != words[1]) return {};
  return bytes;
}

}  // namespace dit
