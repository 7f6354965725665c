// SPDX-License-Identifier: MIT
#include "engine/cli/device_options.h"

#include "engine/cli/pages/parser.h"
#include "engine/cli/text/numbers.h"
#include "engine/network/solver.h"

namespace dit::cli {

DeviceOptions DeviceChoice::options() const {
  return {.threads = threads,
          .precision = precision_from_name(precision),
          .fusion = fusion_from_name(fusion),
          .expand_weights = expand_weights};
}

std::vector<std::string> sampler_names() {
  std::vector<std::string> names;
  for (const Sampler sampler : all_samplers()) names.emplace_back(name_of(sampler));
  return names;
}

void add_device_options(CLI::App& command, DeviceChoice& choice) {
  propose(command.add_option("--device", choice.device, "auto, cpu, vulkan, or vulkan:<index or part of the name>")
              ->option_text("DEVICE"),
          {"auto", "cpu", "vulkan"});
  command.add_option("--threads", choice.threads, "CPU threads; default 0 = one for each core")
      ->option_text("NUMBER")
      ->check(whole_number(0, 4096));
  propose(command
              .add_option(
                  "--precision", choice.precision,
                  "auto, f32, f16, f16-matrix, bf16, int16 or int8; auto is f16-matrix or int16 where its icons look "
                  "like those of f32, else f32")
              ->option_text("NAME"),
          {"auto", "f32", "f16", "f16-matrix", "bf16", "int16", "int8"});
  propose(
      command.add_option("--fusion", choice.fusion, "auto, none, op, block or single: how ops become GPU dispatches")
          ->option_text("NAME"),
      {"auto", "none", "op", "block", "single"});
  command.add_flag("--expand-weights", choice.expand_weights,
                   "Make quantised weights f32 at load, not in each product: the same picture, more memory");
}

}  // namespace dit::cli
