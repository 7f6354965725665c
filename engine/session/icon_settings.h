// SPDX-License-Identifier: MIT
// What a user asks of an icon.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "engine/model/vocabulary.h"
#include "engine/network/solver.h"

namespace dit {

/// Unset values take the model's defaults.
struct IconSettings {
  std::string prompt;
  std::string style;
  /// A walk's other end: each icon's condition lies between the two prompts by its IconPoint::blend.
  std::optional<std::string> toward_prompt;
  /// What read_prompt() made of the two prompts with the style, from who has called it already; else begin() does.
  std::shared_ptr<const Label> label, toward_label;
  std::uint64_t seed = 0;  ///< read by the begin() that counts icons itself; an IconPoint has its own seeds
  std::optional<std::uint32_t> steps;
  std::optional<Sampler> sampler;
  std::optional<double> guidance;  ///< 1 = no second row; others cost a batch of two
  bool operator==(const IconSettings&) const = default;
};

}  // namespace dit
