// SPDX-License-Identifier: MIT
// File names for one or many pictures.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

namespace dit::cli {

/// A path with at most one number in it: "%d", or "%04d" for leading zeros; "%%" is a percent sign.
class OutputPath {
 public:
  /// numbered  whether many files follow; a pattern without a number then gets "-%d" before its extension
  /// errors    throws Error{settings} naming the pattern and what is wrong with it, a folder or a device for many too
  OutputPath(const std::string& pattern, bool numbered);

  std::filesystem::path number(std::uint64_t n) const;
  /// Whether the number stands in a folder's name.
  bool folders_differ() const;
  /// The number whose file has this name in the folder; nothing if it is another's, or all have one name.
  std::optional<std::uint64_t> number_of(const std::string& name) const;

 private:
  std::string before_, after_;
  bool numbered_ = false;
  int width_ = 0;
};

}  // namespace dit::cli
