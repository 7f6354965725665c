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
void add_bench(CLI::App& app);
void add_convert(CLI::App& app);
void add_capture(CLI::App& app);
void add_match(CLI::App& app);
void add_plan(CLI::App& app);
void add_tune(CLI::App& app);
void add_completion(CLI::App& app);
void add_manual(CLI::App& app);

/// What a folder written by `dit capture` is known by.
inline constexpr const char* manifest_name = "manifest.json";
inline constexpr const char* capture_format = "ditsrc-capture/1";

}  // namespace dit::cli
