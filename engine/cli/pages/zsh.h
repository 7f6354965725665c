// SPDX-License-Identifier: MIT
// Completion of the command line in zsh.
#pragma once

#include <string>
#include <vector>

#include "engine/cli/pages/parser.h"

namespace dit::cli {

/// A script that zsh can read, made from the commands as they are.
std::string zsh_completion(const std::vector<Command>& commands);

}  // namespace dit::cli
