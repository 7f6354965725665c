// SPDX-License-Identifier: MIT
// `dit words` and `dit styles`: what a model can be asked for.
#include <fmt/core.h>
#include <fmt/ranges.h>

#include <memory>
#include <set>

#include "engine/cli/commands/commands.h"
#include "engine/cli/model_path.h"
#include "engine/error.h"
#include "engine/model/model.h"
#include "engine/model/text.h"
#include "engine/model/vocabulary.h"

namespace dit::cli {
namespace {

struct Options {
  std::string model;
  std::string part;
};

void print_words(const Options& options) {
  const std::shared_ptr<const Model> model = Model::open(model_path(options.model));
  const ModelConfig& config = model->config();
  const std::string part = fold_text(options.part);

  std::set<std::string> lines;
  for (const std::string& word : config.words) {
    if (fold_text(word).find(part) != std::string::npos && !config.aliases.contains(word)) lines.insert(word);
  }
  for (const auto& [alias, words] : config.aliases) {
    if (fold_text(alias).find(part) != std::string::npos)
      lines.insert(fmt::format("{} -> {}", alias, fmt::join(words, " ")));
  }
  expect(!lines.empty(), ErrorKind::settings, "no word with '{}' in it in model {}; nearest: {}", shorten(options.part),
         config.name, fmt::join(nearest_words(config, part), ", "));
  for (const std::string& line : lines) fmt::print("{}\n", line);
}

void print_styles(const Options& options) {
  const std::shared_ptr<const Model> model = Model::open(model_path(options.model));
  for (const std::string& style : model->config().styles) fmt::print("{}\n", style);
}

}  // namespace

void add_words(CLI::App& app) {
  CLI::App* command = app.add_subcommand("words", "List the words that the model knows, with their aliases");
  auto options = std::make_shared<Options>();
  command->add_option("part", options->part, "Only words with PART in them")->option_text("PART");
  command->add_option("--model", options->model, model_help)->option_text("FILE");
  command->footer(
      "An alias is printed as \"alias -> words\": typing it means those words.\n"
      "Examples:\n"
      "  dit words\n"
      "  dit words cat");
  command->callback([options] { print_words(*options); });
}

void add_styles(CLI::App& app) {
  CLI::App* command = app.add_subcommand("styles", "List the styles that the model knows");
  auto options = std::make_shared<Options>();
  command->add_option("--model", options->model, model_help)->option_text("FILE");
  command->footer(
      "Examples:\n"
      "  dit styles\n"
      "  dit generate --prompt rocket --style \"$(dit styles | head -n 1)\"");
  command->callback([options] { print_styles(*options); });
}

}  // namespace dit::cli
