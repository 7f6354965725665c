// SPDX-License-Identifier: MIT
// One door for every weight format: the first bytes of the file say which reader takes it.
#pragma once

#include <filesystem>
#include <memory>

#include "engine/model/weights.h"

namespace dit {

/// errors  those of the readers in this folder
std::shared_ptr<const Weights> open_weights(const std::filesystem::path& path);

}  // namespace dit
