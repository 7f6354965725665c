// SPDX-License-Identifier: MIT
// A progress bar on standard error, for people only.
#pragma once

#include <chrono>
#include <cstdint>
#include <string_view>

namespace dit::cli {

/// Shows itself when standard error is a terminal and the work has lasted a moment; clears itself at the end.
class Progress {
 public:
  explicit Progress(std::uint64_t total);
  ~Progress() { clear(); }
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  /// Whether anyone could see it; if not, the work need not be cut into pieces.
  static bool visible() noexcept;
  void update(std::uint64_t done, std::string_view what);
  void clear();

 private:
  using Clock = std::chrono::steady_clock;
  std::uint64_t total_;
  bool terminal_;
  bool drawn_ = false;
  Clock::time_point start_;
  Clock::time_point last_;
};

}  // namespace dit::cli
