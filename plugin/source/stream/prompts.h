// SPDX-License-Identifier: MIT
// Prompts as the network sees them, so that no session reads them again.
#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "plugin/source/stream/itinerary.h"

namespace dit::plugin {

/// What there is to say of prompts: each word once.
struct WordNotes {
  std::string unknown;            ///< words that nobody knows, as a sentence; empty if there are none
  std::vector<Reading> readings;  ///< words that are painted as others
};

class Prompts {
 public:
  /// Reads them with the model's vocabulary and the lexicon, unless they are those read last. Returns nothing for
  /// prompts that were read before. errors  settings, if of one prompt no word or if not the style is known; cancelled
  WordNotes read(const ModelConfig& config, const Itinerary& itinerary, const std::atomic<bool>& cancelled);
  /// Sets the prompts of an icon there, of those read last.
  void aim(const Itinerary& itinerary, const Station& station, IconSettings& icon) const;
  /// What the prompt there was read as, of those read last.
  const std::shared_ptr<const Label>& label(const Station& station) const { return labels_[station.prompt]; }

 private:
  std::string style_;
  bool strict_ = false;
  std::vector<std::string> prompts_;
  std::vector<std::shared_ptr<const Label>> labels_;  ///< of prompts_
};

}  // namespace dit::plugin
