// SPDX-License-Identifier: MIT
// What this process holds of the system: threads and open files.
#pragma once

#include <glib.h>

#include <algorithm>
#include <cstddef>
#include <filesystem>
#include <iterator>
#include <system_error>

namespace dit::plugin_test {

inline std::size_t threads() {
  return static_cast<std::size_t>(std::distance(std::filesystem::directory_iterator("/proc/self/task"), {}));
}

inline std::size_t open_files() {
  return static_cast<std::size_t>(std::distance(std::filesystem::directory_iterator("/proc/self/fd"), {}));
}

/// How often this process has one file open.
inline std::size_t times_open(const std::filesystem::path& file) {
  const auto is_it = [&](const auto& entry) {
    std::error_code error;
    return std::filesystem::read_symlink(entry.path(), error) == file;
  };
  return static_cast<std::size_t>(std::count_if(std::filesystem::directory_iterator("/proc/self/fd"), {}, is_it));
}

/// What is counted once `good` holds for it, or after two seconds. Threads that end by themselves (one reads the
/// weights for their digest after a start, others belong to GLib's pools) do so when the system lets them.
template <typename Count, typename Good>
std::size_t settled(Count count, Good good) {
  std::size_t now = count();
  for (int tries = 0; tries < 200 && !good(now); ++tries) {
    g_usleep(10000);
    now = count();
  }
  return now;
}

}  // namespace dit::plugin_test
