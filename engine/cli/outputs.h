// SPDX-License-Identifier: MIT
// Where the files of a run go: icons, their steps, a sheet. No two may be one file, under whatever names.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "engine/cli/output_path.h"

namespace dit::cli {

struct Outputs {
  const OutputPath& icons;
  std::uint64_t first = 0, last = 0;  ///< numbers of icons
  bool several = false;
  std::string steps_folder, sheet;  ///< empty: none
};

/// The name of a step's file in its folder. width  digits of the most steps
std::string step_name(bool several, std::uint64_t icon, std::uint32_t step, int width);

/// Folders that are made for what may never come: those that stay empty are gone again with it.
class NewFolders {
 public:
  NewFolders() = default;
  ~NewFolders();
  NewFolders(const NewFolders&) = delete;
  NewFolders& operator=(const NewFolders&) = delete;
  /// With those that it lies in. errors  unreadable
  void make(const std::filesystem::path& folder);

 private:
  std::vector<std::filesystem::path> created_;  // what lies in one is before it
};

/// All that can be known before the first icon, which may be hours before the last. Makes the folder of steps.
/// go_on   called now and then where there is much to look at; may throw
/// errors  settings: two would be one file. unreadable: one cannot be written
void check_outputs(const Outputs& outputs, NewFolders& folders, const std::function<void()>& go_on);

}  // namespace dit::cli
