// SPDX-License-Identifier: MIT
#include "engine/cli/outputs.h"

#include <fmt/core.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <optional>
#include <string_view>
#include <system_error>

#include "engine/error.h"
#include "engine/files/new_file.h"

namespace dit::cli {
namespace {

namespace fs = std::filesystem;

/// A file that may not be there yet, by what its folder is and not by what the folder is called.
struct Place {
  dev_t device = 0;
  ino_t folder = 0;
  std::string name;
  bool operator==(const Place&) const = default;
  bool beside(const Place& other) const { return device == other.device && folder == other.folder; }
};

/// Nothing for what is in no folder, and for standard output.
std::optional<Place> place_of(const fs::path& path) {
  if (path.empty() || path == "-") return {};
  const fs::path target = link_target(path);
  const fs::path folder = target.has_parent_path() ? target.parent_path() : fs::path(".");
  struct stat status = {};
  if (::stat(folder.c_str(), &status) != 0) return {};
  return Place{status.st_dev, status.st_ino, target.filename().string()};
}

bool take_digits(std::string_view& text) {
  const std::size_t end = std::min(text.find_first_not_of("0123456789"), text.size());
  text.remove_prefix(end);
  return end > 0;
}

bool take(std::string_view& text, std::string_view part) {
  if (!text.starts_with(part)) return false;
  text.remove_prefix(part.size());
  return true;
}

/// Whether some step of some icon may have this name: how many there are only the model knows.
bool is_step_name(std::string_view name, bool several) {
  if (several && !(take(name, "icon-") && take_digits(name) && take(name, "-"))) return false;
  return take(name, "step-") && take_digits(name) && name == ".png";
}

/// Whether an icon goes to this place.
bool is_icon(const Place& place, const Outputs& outputs, const std::function<void()>& go_on) {
  if (place_of(outputs.icons.number(outputs.first)) == place) return true;
  if (!outputs.icons.folders_differ()) {
    const auto beside = place_of(outputs.icons.number(outputs.first));
    const auto number = outputs.icons.number_of(place.name);
    return beside && beside->beside(place) && number && *number >= outputs.first && *number <= outputs.last;
  }
  for (std::uint64_t n = outputs.first; n <= outputs.last; ++n) {
    const auto icon = place_of(outputs.icons.number(n));
    if (!icon) return false;  // there it ends
    if (*icon == place) return true;
    go_on();
  }
  return false;
}

/// Whether an icon goes to the folder of steps under a step's name. Other digits make no other kind of name.
bool is_any_icon_a_step(const Place& steps, const Outputs& outputs, const std::function<void()>& go_on) {
  const std::uint64_t last = outputs.icons.folders_differ() ? outputs.last : outputs.first;
  for (std::uint64_t n = outputs.first; n <= last; ++n) {
    const auto icon = place_of(outputs.icons.number(n));
    if (!icon) return false;
    if (icon->beside(steps) && is_step_name(icon->name, outputs.several)) return true;
    go_on();
  }
  return false;
}

void expect_apart(const Outputs& outputs, const std::function<void()>& go_on) {
  const auto sheet = place_of(outputs.sheet);
  const auto steps =
      outputs.steps_folder.empty() ? std::nullopt : place_of(fs::path(outputs.steps_folder) / "step-1.png");
  expect(!sheet || !is_icon(*sheet, outputs, go_on), ErrorKind::settings,
         "'{}': expected another file for the sheet than for an icon", outputs.sheet);
  if (!steps) return;
  expect(!sheet || !sheet->beside(*steps) || !is_step_name(sheet->name, outputs.several), ErrorKind::settings,
         "'{}': expected another file for the sheet than for a step", outputs.sheet);
  expect(!is_any_icon_a_step(*steps, outputs, go_on), ErrorKind::settings,
         "'{}': expected another file for an icon than for a step", outputs.icons.number(outputs.first).string());
}

}  // namespace

std::string step_name(bool several, std::uint64_t icon, std::uint32_t step, int width) {
  const std::string which = several ? fmt::format("icon-{}-", icon) : "";
  return fmt::format("{}step-{:0{}}.png", which, step, width);
}

void NewFolders::make(const fs::path& folder) {
  std::error_code error;
  for (fs::path path = folder; !path.empty() && !fs::exists(path, error); path = path.parent_path())
    created_.push_back(path);
  fs::create_directories(folder, error);
  expect(!error, ErrorKind::unreadable, "cannot make folder '{}': {}", folder.string(), error.message());
}

NewFolders::~NewFolders() {
  for (const fs::path& path : created_) (void)::rmdir(path.c_str());
}

void check_outputs(const Outputs& outputs, NewFolders& folders, const std::function<void()>& go_on) {
  const fs::path steps = outputs.steps_folder;
  if (!steps.empty()) {
    folders.make(steps);
    expect_writable(steps / "step-0.png");
  }
  for (const fs::path& path : {outputs.icons.number(outputs.first), outputs.icons.number(outputs.last)})
    if (path != "-") expect_writable(path);
  if (!outputs.sheet.empty() && outputs.sheet != "-") expect_writable(outputs.sheet);
  expect_apart(outputs, go_on);
}

}  // namespace dit::cli
