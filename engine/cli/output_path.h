// SPDX-License-Identifier: MIT
// File names for one or many pictures.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

namespace dit::cli {

/// A path with at most one number in it: "%d", or "%04d" for leading zeros; "%%" is a percent sign.
class OutputPath {
 public:
  /// numbered  whether many files follow; a pattern without a number then gets "-%d" before its extension
  /// errors    throws Error{settings} naming the pattern and what is wrong with it
  OutputPath(const std::string& pattern, bool numbered);

  std::filesystem::path number(std::uint64_t n) const;

 private:
  std::string before_, after_;
  bool numbered_ = false;
  int width_ = 0;
};

}  // namespace dit::cli
