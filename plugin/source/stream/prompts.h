// SPDX-License-Identifier: MIT
// Prompts as the network sees them, so that no session reads them again.
#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "plugin/source/stream/itinerary.h"

namespace dit::plugin {

class Prompts {
 public:
  /// Reads them with the model's vocabulary, unless they are those read last. Returns their words that the model does
  /// not know, as a sentence; empty if there are none, and for prompts that were read before.
  /// errors  settings, if of one prompt no word or if not the style is known; cancelled
  std::string read(const ModelConfig& config, const Itinerary& itinerary, const std::atomic<bool>& cancelled);
  /// Sets the prompts of an icon there, of those read last.
  void aim(const Itinerary& itinerary, const Station& station, IconSettings& icon) const;

 private:
  std::string style_;
  std::vector<std::string> prompts_;
  std::vector<std::shared_ptr<const Label>> labels_;  ///< of prompts_
};

}  // namespace dit::plugin
