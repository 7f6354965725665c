// SPDX-License-Identifier: MIT
// The options of `dit generate`.
#pragma once

#include <CLI/CLI.hpp>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "engine/cli/device_options.h"
#include "engine/cli/pictures/sketch.h"

namespace dit::cli {

struct GenerateOptions {
  std::string model;
  DeviceChoice machine;
  std::vector<std::string> prompts;
  std::vector<std::string> styles;
  std::uint64_t seed = 0;
  std::string name;
  std::optional<std::uint32_t> steps;
  std::string sampler;
  std::optional<double> guidance;
  std::uint64_t index = 0;
  std::uint32_t count = 1;
  std::string from;
  std::string mask;
  std::vector<double> strengths = {default_strength};
  std::uint32_t batch_size = 1;
  std::string output = "icon.png";
  std::string steps_folder;
  std::string sheet;
  std::uint32_t sheet_columns = 0;
  std::uint32_t sheet_scale = 1;
  bool sync = false;  ///< each file, before the next is reported
  bool quiet = false;
};

/// `options` outlives the command.
void add_generate_options(CLI::App& command, GenerateOptions& options);

}  // namespace dit::cli
