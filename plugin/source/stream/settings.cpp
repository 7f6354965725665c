// SPDX-License-Identifier: MIT
#include "plugin/source/stream/settings.h"

#include "plugin/model_path.h"

namespace dit::plugin {

std::uint64_t Settings::effective_seed() const noexcept { return seed_name.empty() ? seed : seed_from_name(seed_name); }

SessionOptions Settings::session() const {
  return {
      .model = model_path(model_location),
      .lexicon = lexicon_path(),
      .device = device,
      .options = {
          .threads = threads, .precision = static_cast<Precision>(precision), .fusion = static_cast<Fusion>(fusion)}};
}

}  // namespace dit::plugin
