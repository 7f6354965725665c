// SPDX-License-Identifier: MIT
// What a user asks of an icon.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "engine/network/sampler.h"

namespace dit {

/// Unset values take the model's defaults.
struct IconSettings {
  std::string prompt;
  std::string style;
  /// A walk's other end: each icon's condition lies between the two prompts by its IconPoint::blend.
  std::optional<std::string> toward_prompt;
  std::uint64_t seed = 0;  ///< read by the begin() that counts icons itself; an IconPoint has its own seeds
  std::optional<std::uint32_t> steps;
  std::optional<Sampler> sampler;
  std::optional<double> guidance;  ///< 1 = no second row; others cost a batch of two
  bool operator==(const IconSettings&) const = default;
};

}  // namespace dit
