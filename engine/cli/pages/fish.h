// SPDX-License-Identifier: MIT
// Completion of the command line in fish.
#pragma once

#include <string>
#include <vector>

#include "engine/cli/pages/parser.h"

namespace dit::cli {

/// A script that fish can read, made from the commands as they are.
std::string fish_completion(const std::vector<Command>& commands);

}  // namespace dit::cli
