// SPDX-License-Identifier: MIT
// The manual page of the command line.
#pragma once

#include <string>
#include <vector>

#include "engine/cli/pages/parser.h"

namespace dit::cli {

/// dit(1) in roff, made from the commands as they are.
std::string manual_page(const std::vector<Command>& commands, const std::string& version);

}  // namespace dit::cli
