// SPDX-License-Identifier: MIT
// What every command that paints asks about the machine.
#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

#include "engine/executor.h"

namespace dit::cli {

struct DeviceChoice {
  std::string device = "auto";
  unsigned threads = 0;
  std::string precision = "auto";
  std::string fusion = "auto";
  bool expand_weights = false;

  /// errors  settings that name the known precisions or fusions
  DeviceOptions options() const;
};

/// What --sampler takes.
std::vector<std::string> sampler_names();

/// --device, --threads, --precision, --fusion and --expand-weights; `choice` outlives the command.
void add_device_options(CLI::App& command, DeviceChoice& choice);

}  // namespace dit::cli
