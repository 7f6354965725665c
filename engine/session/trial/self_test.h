// SPDX-License-Identifier: MIT
// Icons of the opened model, by which a fast way to compute is judged before a user's icons are trusted to it.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "engine/executor.h"
#include "engine/files/cache_folder.h"
#include "engine/model/model.h"
#include "engine/model/weights.h"

namespace dit {

struct SelfTest {
  /// A plan's program, and for each of some icons a request in which all of the batch are this icon.
  struct Tried {
    Program program;
    std::vector<Request> requests;
  };
  /// What the reference makes of an icon.
  struct Known {
    std::vector<float> x;            ///< [C,H,W] after the first step: later ones enlarge what differs
    std::vector<std::uint8_t> rgba;  ///< [H,W,4] after the last
  };

  std::shared_ptr<const Weights> weights;
  std::function<Tried(std::uint32_t batch)> tried;
  /// Those of tried(…).requests. anew: not what was kept from another run; the reference is asked once in a run.
  std::function<const std::vector<Known>&(bool anew)> known;
};

/// Gives the test when one is needed, since making it takes a moment.
using SelfTestSource = std::function<const SelfTest&()>;

/// Opens the executor that is taken at its word.
using Reference = std::function<std::unique_ptr<Executor>(std::shared_ptr<const Weights>)>;

/// What names a model's file, as it is, in this version: for what is kept of it.
std::string file_key(const Model& model);

/// Up to four icons with words and styles from all over the model's, default steps, sampler and guidance; fewer where
/// these are many, since the reference takes a while.
/// folder  where what is known is kept, by the model's file: it costs the first run alone
SelfTest make_self_test(std::shared_ptr<const Model> model, Reference reference,
                        CacheFolder folder = CacheFolder::of_user());

}  // namespace dit
