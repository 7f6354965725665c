// SPDX-License-Identifier: MIT
// What a mistyped command or option may have been.
#pragma once

#include <CLI/CLI.hpp>

#include <string>

namespace dit::cli {

/// What is wrong with the command line, in words that name what was typed, what was expected, and what is nearest.
std::string explain(const CLI::App& app, const CLI::ParseError& error, int argc, char** argv);

}  // namespace dit::cli
