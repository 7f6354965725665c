// SPDX-License-Identifier: MIT
// The subcommands of `dit`. Each function adds one to the parser; its callback does the work and throws dit::Error.
#pragma once

#include <CLI/CLI.hpp>

namespace dit::cli {

void add_devices(CLI::App& app);
void add_inspect(CLI::App& app);
void add_words(CLI::App& app);
void add_styles(CLI::App& app);
void add_generate(CLI::App& app);

}  // namespace dit::cli
