// SPDX-License-Identifier: MIT
#include "plugin/source/stream/prompts.h"

#include <set>
#include <utility>

namespace dit::plugin {

WordNotes Prompts::read(const ModelConfig& config, const Itinerary& itinerary, const std::atomic<bool>& cancelled) {
  const std::vector<std::string>& prompts = itinerary.prompts();
  const std::string& style = itinerary.common().style;
  const bool strict = itinerary.strict();
  if (!labels_.empty() && style_ == style && strict_ == strict && prompts_ == prompts) return {};
  Prompts read;
  read.style_ = style;
  read.strict_ = strict;
  read.prompts_ = prompts;
  Label all;
  std::set<std::string> seen;
  for (const std::string& prompt : prompts) {
    read.labels_.push_back(std::make_shared<const Label>(read_prompt(config, prompt, style, strict, cancelled)));
    const Label& label = *read.labels_.back();
    for (std::size_t i = 0; i < label.unknown.size(); ++i) {
      if (!seen.insert(label.unknown[i]).second) continue;
      all.unknown.push_back(label.unknown[i]);
      all.meant.push_back(i < label.meant.size() ? label.meant[i] : "");
    }
    for (const Reading& reading : label.readings) {
      if (seen.insert(reading.typed).second) all.readings.push_back(reading);
    }
  }
  *this = std::move(read);
  return {.unknown = describe_unknown(config, all), .readings = std::move(all.readings)};
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
