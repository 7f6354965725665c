// SPDX-License-Identifier: MIT
#include "plugin/source/stream/prompts.h"

#include <set>
#include <utility>

namespace dit::plugin {

std::string Prompts::read(const ModelConfig& config, const Itinerary& itinerary, const std::atomic<bool>& cancelled) {
  const std::vector<std::string>& prompts = itinerary.prompts();
  const std::string& style = itinerary.common().style;
  if (!labels_.empty() && style_ == style && prompts_ == prompts) return {};
  Prompts read;
  read.style_ = style;
  read.prompts_ = prompts;
  Label unknown;  // of all prompts, each word once
  std::set<std::string> seen;
  for (const std::string& prompt : prompts) {
    read.labels_.push_back(std::make_shared<const Label>(parse_label(config, prompt, style, cancelled)));
    for (const std::string& word : read.labels_.back()->unknown) {
      if (seen.insert(word).second) unknown.unknown.push_back(word);
    }
  }
  *this = std::move(read);
  return describe_unknown(config, unknown);
}

void Prompts::aim(const Itinerary& itinerary, const Station& station, IconSettings& icon) const {
  icon.prompt = prompts_[station.prompt];
  icon.label = labels_[station.prompt];
  icon.toward_prompt.reset();
  icon.toward_label.reset();
  if (!itinerary.changes_prompt()) return;
  icon.toward_prompt = prompts_[station.toward];
  icon.toward_label = labels_[station.toward];
}

}  // namespace dit::plugin
