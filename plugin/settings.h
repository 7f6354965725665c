// SPDX-License-Identifier: MIT
// The properties of ditsrc: what a user asks, as plain values. The element guards them with its object lock and copies
// them once per icon.
#pragma once

#include <gst/gst.h>

#include <cstdint>
#include <string>

#include "engine/session.h"

namespace dit::plugin {

enum class Emit : int {
  final,  ///< one frame an icon
  steps,  ///< one frame a step; the finished icon is shown `hold` times
};

struct Settings {
  std::string model_location;  ///< empty = see model_path.h
  std::string device = "auto";
  std::string prompt;
  std::string style;
  std::string seed_name;  ///< if not empty, the seed is the one that this name owns
  std::uint64_t seed = 0;
  unsigned steps = 0;    ///< 0 = the model's
  int sampler = 0;       ///< 0 = the model's, else 1 + dit::Sampler
  double guidance = -1;  ///< negative = the model's
  Emit emit = Emit::final;
  unsigned hold = 1;
  unsigned batch_size = 1;
  unsigned threads = 0;  ///< 0 = one per core
  std::uint32_t background = 0xffffffff;

  std::uint64_t effective_seed() const noexcept;
  IconSettings icon() const;
};

/// Adds every property to the class.
void install_properties(GObjectClass* object_class);

/// Both return false for an unknown id. The caller holds the lock that guards `settings`.
bool set_property(Settings& settings, guint id, const GValue* value);
bool get_property(const Settings& settings, guint id, GValue* value);

}  // namespace dit::plugin
