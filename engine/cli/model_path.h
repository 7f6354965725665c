// SPDX-License-Identifier: MIT
// Which weight file a command reads when the user names none.
#pragma once

#include <filesystem>
#include <memory>
#include <string>

#include "engine/model/model.h"

namespace dit::cli {

/// find_model() (engine/model/model_path.h) from the running program's own place.
std::filesystem::path model_path(const std::string& given);

/// find_lexicon() from there.
std::filesystem::path lexicon_path();
/// The model that a command is about, with its lexicon. errors  Model::open's
std::shared_ptr<const Model> open_model(const std::string& given);

/// Help text of every --model option.
inline constexpr const char* model_help =
    "Weight file (safetensors, GGUF or WTS1). Default: $DIT_MODEL, else the icons.safetensors installed or built with "
    "dit";

}  // namespace dit::cli
