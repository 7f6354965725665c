// SPDX-License-Identifier: MIT
// `dit words` and `dit styles`: what a model can be asked for.
#include <fmt/core.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <memory>
#include <set>
#include <utility>
#include <vector>

#include "engine/cli/commands/commands.h"
#include "engine/cli/model_path.h"
#include "engine/cli/text/print.h"
#include "engine/error.h"
#include "engine/model/model.h"
#include "engine/model/prompts/prompt.h"
#include "engine/model/text.h"
#include "engine/model/vocabulary.h"

namespace dit::cli {
namespace {

struct Options {
  std::string model;
  std::string part;
  bool good = false;
};

std::set<std::string> lines_with(const ModelConfig& config, const std::string& part) {
  std::set<std::string> lines;
  for (const std::string& word : config.words) {
    if (fold_text(word).find(part) != std::string::npos && !config.aliases.contains(word)) lines.insert(word);
  }
  for (const auto& [alias, words] : config.aliases) {
    if (fold_text(alias).find(part) != std::string::npos)
      lines.insert(fmt::format("{} -> {}", alias, fmt::join(words, " ")));
  }
  return lines;
}

/// Rows of word_embed as words.
std::string painted(const ModelConfig& config, const Label& label) {
  std::string text;
  for (const std::uint32_t row : label.words) text += (text.empty() ? "" : " ") + config.words[row - 1];
  return text;
}

/// What is painted for words that the model has not, and what nobody knows; of several words, what they make together.
/// False if nothing is painted.
bool print_readings(const ModelConfig& config, const std::string& prompt) {
  try {
    const Label label = read_prompt(config, prompt, "");
    for (const Reading& reading : label.readings) {
      say("{} → {}   {}, {:.0f} % sure\n", shorten(reading.typed), reading.painted, reading.how, 100 * reading.sure);
    }
    const bool several = split_words(prompt).size() > 1 && !label.words.empty();
    if ((several || !label.readings.empty()) && !label.unknown.empty()) say("{}\n", describe_unknown(config, label));
    if (several) say("paints {}\n", shorten(painted(config, label)));
    return several || !label.readings.empty();
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::settings) throw;
    return false;
  }
}

void print_good(const ModelConfig& config, const std::string& typed) {
  const std::string part = fold_text(typed);
  expect(!config.good.empty(), ErrorKind::settings,
         "model {} does not say which words it knows well: its file has no metadata 'good'", config.name);
  std::vector<std::pair<float, std::string>> ranked;
  for (std::size_t i = 0; i < config.words.size(); ++i) {
    if (fold_text(config.words[i]).find(part) == std::string::npos) continue;
    ranked.emplace_back(-config.goodness(static_cast<std::uint32_t>(i + 1)), config.words[i]);
  }
  expect(!ranked.empty(), ErrorKind::settings, "no word with '{}' in it in model {}", shorten(typed), config.name);
  std::ranges::sort(ranked);
  for (const auto& [good, word] : ranked) say("{:3.0f} %  {}\n", -100 * good, word);
}

void print_words(const Options& options) {
  const std::shared_ptr<const Model> model = open_model(options.model);
  const ModelConfig& config = model->config();
  if (options.good) {
    print_good(config, options.part);
    return;
  }
  const std::string part = fold_text(options.part);
  const std::set<std::string> lines = lines_with(config, part);
  for (const std::string& line : lines) say("{}\n", line);
  const bool means = !options.part.empty() && print_readings(config, options.part);
  const std::vector<std::string> nearest = nearest_words(config, part);
  expect(!lines.empty() || means, ErrorKind::settings, "no word with '{}' in it in model {}{}{}", shorten(options.part),
         config.name, nearest.empty() ? ", nor one like it" : "; nearest: ", fmt::join(nearest, ", "));
}

void print_styles(const Options& options) {
  const std::shared_ptr<const Model> model = open_model(options.model);
  for (const std::string& style : model->config().styles) say("{}\n", style);
}

}  // namespace

void add_words(CLI::App& app) {
  CLI::App* command = app.add_subcommand("words", "List the words that the model knows, and what others mean to it");
  auto options = std::make_shared<Options>();
  command
      ->add_option("part", options->part, "Only words with PART in them; or any word or emoji, to see what it paints")
      ->option_text("PART");
  command->add_flag("--good", options->good, "How often icons of each word are recognised, best first");
  command->add_option("--model", options->model, model_help)->option_text("FILE");
  command->footer(
      "An alias is printed as \"alias -> words\": typing it means those words. \"kaffee → coffee\" is what the\n"
      "lexicon beside the weights has for a word that the model has not.\n"
      "Examples:\n"
      "  dit words\n"
      "  dit words cat\n"
      "  dit words kaffee\n"
      "  dit words \"red car\"\n"
      "  dit words 🍕");
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
