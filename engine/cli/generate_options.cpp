// SPDX-License-Identifier: MIT
#include "engine/cli/generate_options.h"

#include <fmt/core.h>
#include <fmt/ranges.h>

#include "engine/cli/model_path.h"
#include "engine/cli/pages/parser.h"
#include "engine/cli/text/lists.h"
#include "engine/cli/text/numbers.h"
#include "engine/network/solver.h"

namespace dit::cli {
namespace {

using Options = GenerateOptions;

void add_sampler_option(CLI::App& command, Options& options) {
  const std::vector<std::string> names = sampler_names();
  const std::string help = fmt::format("Solver: {}. Default: the model's", fmt::join(names, ", "));
  propose(command.add_option("--sampler", options.sampler, help)->option_text("NAME"), names);
}

void add_picture_options(CLI::App& command, Options& options) {
  command.add_option("-p,--prompt", options.prompts, "What to paint; may be given several times")
      ->option_text("TEXT")
      ->allow_extra_args(false);
  command.add_option("--style", options.styles, "How to paint it, see 'dit styles'; may be given several times")
      ->option_text("STYLE")
      ->allow_extra_args(false);
  CLI::Option* seed = command.add_option("--seed", options.seed, "Which of 2^64 series of icons; default 0")
                          ->option_text("NUMBER")
                          ->check(whole_number());
  command.add_option("--name", options.name, "Any text instead of a seed: the same text owns the same icons")
      ->option_text("TEXT")
      ->excludes(seed);
  command.add_option("--index", options.index, "First icon of the series; default 0")
      ->option_text("NUMBER")
      ->check(whole_number());
  command.add_option("-n,--count", options.count, "Icons of each prompt and style; default 1")
      ->option_text("NUMBER")
      ->check(whole_number(1, 1000000));
  command.add_option("--steps", options.steps, "Denoising steps. Default: the model's")
      ->option_text("NUMBER")
      ->check(whole_number(1, 1000));
  add_sampler_option(command, options);
  command.add_option("--guidance", options.guidance, "Classifier-free guidance; 1 is off. Default: the model's")
      ->option_text("NUMBER")
      ->check(any_number());
}

void add_sketch_options(CLI::App& command, Options& options) {
  add_from_options(command, options.from, options.mask);
  add_list(command, "--strength,--strengths", options.strengths,
           "How far an icon may go from it, 0 to 1, default 0.7: of the steps so many are run, rounded up. "
           "Several, as 0.2,0.5,0.8: an icon of each",
           real_number(0, 1))
      ->option_text("NUMBERS")
      ->allow_extra_args(false)
      ->needs("--from");
}

void add_machine_options(CLI::App& command, Options& options) {
  command.add_option("--model", options.model, model_help)->option_text("FILE");
  add_device_options(command, options.machine);
  command.add_option("--batch-size", options.batch_size, "Icons painted together; changes speed, never a picture")
      ->option_text("NUMBER")
      ->check(whole_number(1, 1024));
}

void add_output_options(CLI::App& command, Options& options) {
  command
      .add_option("-o,--output", options.output,
                  "Where the icon goes, default icon.png. %d or %03d is its number; without it several icons get -0, "
                  "-1, ... before the extension. '-' is standard output")
      ->option_text("FILE");
  command.add_option("--steps-out", options.steps_folder, "Folder that also gets a PNG of every step")
      ->option_text("FOLDER");
  command.add_option("--sheet", options.sheet, "Contact sheet: of the steps of one icon, or of several icons")
      ->option_text("FILE");
  command.add_option("--sheet-columns", options.sheet_columns, "Pictures in a row of the sheet")
      ->option_text("NUMBER")
      ->check(whole_number(1, 1000));
  command.add_option("--sheet-scale", options.sheet_scale, "Enlarges the sheet's pictures; default 1")
      ->option_text("NUMBER")
      ->check(whole_number(1, 16));
  command.add_flag(
      "--sync", options.sync,
      "Bring each file to the disk before its line is printed; by default runs of 100 files and more do it "
      "once, at their end");
  command.add_flag("-q,--quiet", options.quiet, "Print warnings and errors only");
}

}  // namespace

void add_generate_options(CLI::App& command, GenerateOptions& options) {
  add_picture_options(command, options);
  add_sketch_options(command, options);
  add_machine_options(command, options);
  add_output_options(command, options);
}

}  // namespace dit::cli
