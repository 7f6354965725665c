// SPDX-License-Identifier: MIT
// The model's words for whoever types, and how a prompt is read.
#pragma once

#include <memory>
#include <string>

#include "engine/model/model.h"

namespace favicon {

class Words {
 public:
  explicit Words(std::shared_ptr<const dit::Model> model);

  /// JSON {words}: what may be typed, those that the model knows best first, then names of icons, then by the
  /// alphabet.
  const std::string& list() const { return list_; }
  /// JSON {readings: [{typed, painted, how, sure}], unknown}: what is painted for words of the prompt that are not
  /// the model's own. `unknown` is a text for people, empty if all words are known.
  std::string read(const std::string& prompt) const;

 private:
  std::shared_ptr<const dit::Model> model_;
  std::string list_;
};

}  // namespace favicon
