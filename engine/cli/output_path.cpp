// SPDX-License-Identifier: MIT
#include "engine/cli/output_path.h"

#include <fmt/core.h>

#include "engine/error.h"

namespace dit::cli {

OutputPath::OutputPath(const std::string& pattern, bool numbered) {
  constexpr int max_width = 20;
  for (std::size_t i = 0; i < pattern.size(); ++i) {
    std::string& part = numbered_ ? after_ : before_;
    if (pattern[i] != '%') {
      part += pattern[i];
      continue;
    }
    if (pattern.compare(i, 2, "%%") == 0) {
      part += pattern[++i];
      continue;
    }
    std::size_t end = i + 1;
    int width = 0;
    while (end < pattern.size() && pattern[end] >= '0' && pattern[end] <= '9' && width <= max_width) {
      width = 10 * width + (pattern[end++] - '0');
    }
    expect(end < pattern.size() && pattern[end] == 'd' && width <= max_width && !numbered_, ErrorKind::settings,
           "output '{}': expected at most one number such as %d or %03d (and %% for a percent sign), found '{}'",
           pattern, pattern.substr(i));
    numbered_ = true;
    width_ = width;
    i = end;
  }
  if (!numbered || numbered_) return;
  expect(pattern != "-", ErrorKind::settings, "output '-': expected one icon for standard output, found several");
  const std::filesystem::path path = before_;
  before_ = (path.parent_path() / path.stem()).string() + "-";
  after_ = path.extension().string();
  numbered_ = true;
}

std::filesystem::path OutputPath::number(std::uint64_t n) const {
  if (!numbered_) return before_;
  return fmt::format("{}{:0{}}{}", before_, n, width_, after_);
}

}  // namespace dit::cli
