// SPDX-License-Identifier: MIT
#include "plugin/settings.h"

namespace dit::plugin {

std::uint64_t Settings::effective_seed() const noexcept { return seed_name.empty() ? seed : seed_from_name(seed_name); }

IconSettings Settings::icon() const {
  IconSettings icon;
  icon.prompt = prompt;
  icon.style = style;
  icon.seed = effective_seed();
  if (steps > 0) icon.steps = steps;
  if (sampler > 0) icon.sampler = static_cast<Sampler>(sampler - 1);
  if (guidance >= 0) icon.guidance = guidance;
  return icon;
}

}  // namespace dit::plugin
