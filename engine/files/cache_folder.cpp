// SPDX-License-Identifier: MIT
#include "engine/files/cache_folder.h"

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <fstream>
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

}  // namespace

CacheFolder CacheFolder::of_user() {
  if (std::getenv("DIT_CACHE")) return CacheFolder(from_environment("DIT_CACHE"));
  // The XDG Base Directory Specification: relative paths are to be ignored.
  if (const fs::path base = from_environment("XDG_CACHE_HOME"); base.is_absolute()) return CacheFolder(base / "ditsrc");
  if (const fs::path home = from_environment("HOME"); home.is_absolute()) return CacheFolder(home / ".cache/ditsrc");
  return CacheFolder();
}

std::optional<std::string> CacheFolder::read(const std::string& name) const noexcept {
  if (path_.empty()) return {};
  try {
    const fs::path file = path_ / name;
    // A pipe by that name would be waited for.
    if (!fs::is_regular_file(file) || fs::file_size(file) > most_bytes) return {};
    std::ifstream stream(file, std::ios::binary);
    std::string bytes(std::istreambuf_iterator<char>(stream), {});
    if (stream.bad()) return {};
    return bytes;
  } catch (const std::exception&) {
    return {};
  }
}

bool CacheFolder::write(const std::string& name, std::string_view bytes) const noexcept {
  if (path_.empty() || bytes.size() > most_bytes) return false;
  try {
    fs::create_directories(path_);
    NewFile file(path_ / name);
    file.write(bytes);
    file.finish();
    remove_oldest(name);
    return true;
  } catch (const std::exception&) {
    return false;
  }
}

void CacheFolder::remove_oldest(const std::string& name) const {
  const std::string kind = name.substr(0, name.find('-'));
  std::vector<std::pair<fs::file_time_type, fs::path>> files;
  std::error_code ignored;  // another process may remove the same
  for (const fs::directory_entry& entry : fs::directory_iterator(path_)) {
    const std::string other = entry.path().filename();
    if (!other.starts_with(kind) || !entry.is_regular_file(ignored)) continue;
    const fs::file_time_type time = entry.last_write_time(ignored);
    if (other.find(".part") == std::string::npos) {
      files.emplace_back(time, entry.path());
    } else if (time < fs::file_time_type::clock::now() - stale) {
      fs::remove(entry.path(), ignored);
    }
  }
  std::sort(files.begin(), files.end());
  for (std::size_t i = 0; i + most_of_a_kind < files.size(); ++i) fs::remove(files[i].second, ignored);
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
