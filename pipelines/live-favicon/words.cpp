// SPDX-License-Identifier: MIT
#include "pipelines/live-favicon/words.h"

#include <algorithm>
#include <functional>
#include <map>
#include <nlohmann/json.hpp>
#include <utility>
#include <vector>

#include "engine/error.h"
#include "engine/model/prompts/prompt.h"
#include "engine/model/vocabulary.h"

namespace favicon {
namespace {

using nlohmann::json;

std::string dump(const json& value) { return value.dump(-1, ' ', false, json::error_handler_t::replace); }

std::string make_list(const dit::ModelConfig& config) {
  // How well it is known, then whether it is an alias: those are what whole icons are called, and not one of their
  // words.
  using Rank = std::pair<float, bool>;
  std::map<std::string, Rank> known;
  for (std::size_t i = 0; i < config.words.size(); ++i)
    known.emplace(config.words[i], Rank(config.goodness(static_cast<std::uint32_t>(i + 1)), false));
  for (const auto& [alias, words] : config.aliases) {
    const auto meant = words.empty() ? known.end() : known.find(words.front());
    if (meant != known.end()) known[alias] = Rank(meant->second.first, true);
  }
  // "g:symbols" are the model's groups of icons, which nobody types.
  std::erase_if(known, [](const auto& entry) { return entry.first.find(':') != std::string::npos; });
  std::vector<std::pair<std::string, Rank>> ranked(known.begin(), known.end());
  std::ranges::stable_sort(ranked, std::ranges::greater{}, &std::pair<std::string, Rank>::second);
  json list = json::array();
  for (const auto& [word, rank] : ranked) list.push_back(word);
  return dump({{"words", list}});
}

}  // namespace

Words::Words(std::shared_ptr<const dit::Model> model) : model_(std::move(model)), list_(make_list(model_->config())) {}

std::string Words::read(const std::string& prompt) const {
  json readings = json::array();
  std::string unknown;
  try {
    const dit::ModelConfig& config = model_->config();
    const dit::Label label = dit::read_prompt(config, prompt, "");
    for (const dit::Reading& reading : label.readings) {
      readings.push_back(
          {{"typed", reading.typed}, {"painted", reading.painted}, {"how", reading.how}, {"sure", reading.sure}});
    }
    unknown = dit::describe_unknown(config, label);
  } catch (const dit::Error& error) {
    if (error.kind() != dit::ErrorKind::settings) throw;
    unknown = error.what();
  }
  return dump({{"readings", readings}, {"unknown", unknown}});
}

}  // namespace favicon
