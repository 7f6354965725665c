// SPDX-License-Identifier: MIT
#include "engine/cli/output_path.h"

#include <fmt/core.h>

#include <charconv>
#include <string_view>
#include <system_error>

#include "engine/error.h"

namespace dit::cli {
namespace {

namespace fs = std::filesystem;

/// A name that a number can be put into.
void expect_file_name(const std::string& pattern, const fs::path& path) {
  std::error_code error;
  const fs::file_status status = fs::status(path, error);
  const bool is_folder = pattern.empty() || !path.has_filename() || path.filename() == "." || path.filename() == ".." ||
                         fs::is_directory(status);
  expect(!is_folder, ErrorKind::settings, "output '{}': expected files such as '{}' for several icons, found {}",
         pattern, (path / "%d.png").string(), pattern.empty() ? "no name" : "a folder");
  expect(!fs::exists(status) || fs::is_regular_file(status), ErrorKind::settings,
         "output '{}': expected files for several icons, found one that is no regular file", pattern);
}

}  // namespace

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
  const fs::path path = before_;
  expect_file_name(pattern, path);
  before_ = (path.parent_path() / path.stem()).string() + "-";
  after_ = path.extension().string();
  numbered_ = true;
}

std::filesystem::path OutputPath::number(std::uint64_t n) const {
  if (!numbered_) return before_;
  return fmt::format("{}{:0{}}{}", before_, n, width_, after_);
}

bool OutputPath::folders_differ() const { return numbered_ && after_.find('/') != std::string::npos; }

std::optional<std::uint64_t> OutputPath::number_of(const std::string& name) const {
  const std::string front = fs::path(before_).filename().string();
  if (!numbered_ || folders_differ() || name.size() <= front.size() + after_.size()) return {};
  if (!name.starts_with(front) || !name.ends_with(after_)) return {};
  const std::string digits = name.substr(front.size(), name.size() - front.size() - after_.size());
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
  const bool whole = error == std::errc() && end == digits.data() + digits.size();
  if (!whole || digits != fmt::format("{:0{}}", number, width_)) return {};
  return number;
}

}  // namespace dit::cli
