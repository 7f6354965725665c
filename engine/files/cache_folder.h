// SPDX-License-Identifier: MIT
// What is worth remembering between runs, in the user's cache folder. Losing it costs time and nothing else, so nothing
// here throws: what cannot be read is not there, what cannot be written is made again next time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace dit {

/// A folder that others can write to, or that is not ours, is left alone: what is in it goes to drivers and decides
/// what is fast. So is every file that was not written here. thread  any; processes too: a file appears whole under its
/// name or not at all, and the last to write it wins
class CacheFolder {
 public:
  /// $DIT_CACHE, else $XDG_CACHE_HOME/ditsrc, else ~/.cache/ditsrc. An empty DIT_CACHE, or no home: remembers nothing.
  static CacheFolder of_user();
  /// path  made when it is first written to; empty: remembers nothing
  explicit CacheFolder(std::filesystem::path path = {}) : path_(std::move(path)) {}

  const std::filesystem::path& path() const noexcept { return path_; }

  /// What was kept under a name; nothing if it is not there, not as it was written, or larger than `most_bytes`.
  std::optional<std::string> read(const std::string& name) const noexcept;
  /// Whether it was kept. Of the files written here whose names are the same up to '-', the oldest are removed beyond
  /// eight.
  bool write(const std::string& name, std::string_view bytes) const noexcept;

  /// Why nothing could be kept there; empty: it could. Makes the folder.
  std::string problem() const noexcept;

  /// Of one file, and so an eighth of what files of one kind take.
  static constexpr std::uintmax_t most_bytes = 64u << 20;

 private:
  int open_folder() const;
  std::string make() const;
  void remove_oldest(int folder, const std::string& name) const;

  std::filesystem::path path_;
};

/// FNV-1a of 64 bits. It finds accidents, not malice.
std::uint64_t checksum(std::string_view bytes, std::uint64_t start = 0xcbf29ce484222325u) noexcept;

/// Bytes with their size and checksum in front, and back; nothing if a bit of them is wrong.
std::string sealed(std::string_view bytes);
std::optional<std::string_view> unsealed(std::string_view file) noexcept;

}  // namespace dit
