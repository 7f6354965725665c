// SPDX-License-Identifier: MIT
// The way through the icons that the settings describe: which noise and which prompts icon n of a stream is made of.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "plugin/source/stream/settings.h"

namespace dit::plugin {

/// What icon `icon` of a stream is: where its noise comes from, and between which prompts it lies.
struct Station {
  IconPoint point;
  std::size_t prompt = 0;  ///< place in Itinerary::prompts()
  std::size_t toward = 0;  ///< the same as `prompt` unless the walk leads to another
};

/// Settings as the engine takes them, and the way through the icons that they describe.
class Itinerary {
 public:
  explicit Itinerary(const Settings& settings);

  /// Everything but the prompts.
  const IconSettings& common() const noexcept { return common_; }
  /// A function of the settings and the icon's number alone.
  Station station(std::uint64_t icon) const noexcept;
  /// Prompts that the stream may ask for.
  const std::vector<std::string>& prompts() const noexcept { return prompts_; }
  /// Whether prompts may have the model's own words only.
  bool strict() const noexcept { return strict_; }
  bool changes_prompt() const noexcept { return prompts_.size() > 1; }
  /// First and last icon between the same two prompts as this one.
  std::pair<std::uint64_t, std::uint64_t> leg(std::uint64_t icon) const noexcept;
  bool operator==(const Itinerary&) const = default;

 private:
  IconSettings common_;
  std::vector<std::string> prompts_;  ///< at least one
  bool strict_ = false;
  std::uint64_t walk_ = 0;
  std::uint64_t loop_ = 0;
};

}  // namespace dit::plugin
