// SPDX-License-Identifier: MIT
// What a long run wrote is brought to the disk once, at its end: a sync a file costs more than painting it.
#pragma once

#include <sys/types.h>
#include <cstdint>
#include <filesystem>
#include <map>

namespace dit {

/// Brings a file's or a folder's content to the disk, where its file system can. Returns errno of what failed, or 0.
int sync_file(int file) noexcept;

/// Files that were written without a sync. thread  one at a time
class Unsynced {
 public:
  Unsynced() = default;
  ~Unsynced();
  Unsynced(const Unsynced&) = delete;
  Unsynced& operator=(const Unsynced&) = delete;

  /// A finished file. What is not regular is not waited for.
  void add(const std::filesystem::path& path);
  /// One syncfs a file system. It waits for what others wrote there too, so that fewer than `few` files, which are made
  /// again sooner, are left to the system.
  /// errors  unreadable: the disk is full or fails
  void sync();

  static constexpr std::uint64_t few = 100;

 private:
  struct Disk {
    int file = -1;  ///< any on it
    std::filesystem::path path = {};
  };
  std::map<dev_t, Disk> disks_;
  std::uint64_t files_ = 0;
};

}  // namespace dit
