// SPDX-License-Identifier: MIT
// What a user asks of ditsrc, as plain values. The element keeps them as an immutable snapshot that a setter replaces,
// so the streaming thread takes all of them at once and copies nothing.
#pragma once

#include <glib.h>

#include <cstdint>
#include <memory>
#include <string>

#include "engine/session/session.h"

namespace dit::plugin {

enum class Emit : int {
  final,  ///< one frame an icon
  steps,  ///< one frame a step; the finished icon is shown `hold` times
};

/// What a live stream does when an icon takes longer than its frames.
enum class LatePolicy : int {
  repeat,  ///< frames leave on time and show the last finished picture until there is a newer one
  skip,    ///< frames that are over are left out
  late,    ///< every frame is painted and leaves when it is done
};

struct Settings {
  std::string model_location;  ///< empty = see model_path.h
  std::string device = "auto";
  std::string prompt;
  std::string style;
  bool strict_words = false;  ///< only the model's own words
  std::string seed_name;      ///< if not empty, the seed is the one that this name owns
  std::uint64_t seed = 0;
  unsigned steps = 0;      ///< 0 = the model's
  unsigned min_steps = 0;  ///< 0 = never fewer than steps
  int sampler = 0;         ///< 0 = the model's, else 1 + dit::Sampler
  double guidance = -1;    ///< negative = the model's
  int emit = static_cast<int>(Emit::final);
  unsigned hold = 1;
  bool live = false;
  int late_policy = static_cast<int>(LatePolicy::repeat);
  unsigned batch_size = 1;
  bool pipelined = false;  ///< batch_size icons at different steps, not at the same
  unsigned threads = 0;    ///< 0 = one per core
  int precision = static_cast<int>(Precision::automatic);
  int fusion = static_cast<int>(Fusion::automatic);
  unsigned walk = 0;         ///< frames from one icon of the seed to the next; 0 = no walk
  unsigned walk_loop = 0;    ///< icons after which a walk is back at its first; 0 = never
  std::string walk_prompts;  ///< prompts of a walk's icons, separated by |; empty = prompt
  unsigned background = 0xffffffff;
  bool post_steps = false;

  std::uint64_t effective_seed() const noexcept;
  bool every_step() const noexcept { return emit == static_cast<int>(Emit::steps); }
  LatePolicy policy() const noexcept { return static_cast<LatePolicy>(late_policy); }
  SessionOptions session() const;
};

using Snapshot = std::shared_ptr<const Settings>;

}  // namespace dit::plugin
