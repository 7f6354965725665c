// SPDX-License-Identifier: MIT
// Where the plugin lies, and which weight file to open.
#pragma once

#include <filesystem>
#include <string>

namespace dit::plugin {

/// The folder of this library; empty if it cannot be known.
std::filesystem::path own_folder();

/// find_model() (engine/model/model_path.h) from the plugin's own place: the installed model, else the build tree's.
std::filesystem::path model_path(const std::string& location);
/// find_lexicon() from there.
std::filesystem::path lexicon_path();

}  // namespace dit::plugin
