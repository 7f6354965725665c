// SPDX-License-Identifier: MIT
// Which weight file to open.
#pragma once

#include <filesystem>
#include <string>

namespace dit::plugin {

/// find_model() (engine/model_path.h) from the plugin's own place: the installed model, else the build tree's.
std::filesystem::path model_path(const std::string& location);

}  // namespace dit::plugin
