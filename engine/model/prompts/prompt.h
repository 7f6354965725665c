// SPDX-License-Identifier: MIT
// Prompts as people type them: words of the model as they are, everything else by the lexicon beside the weights.
#pragma once

#include <atomic>
#include <filesystem>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "engine/error.h"
#include "engine/model/prompts/lexicon.h"
#include "engine/model/vocabulary.h"

namespace dit {

/// The locale of messages by the environment: the first of $LANGUAGE, $LC_ALL, $LC_MESSAGES and $LANG; "en" if none is.
std::string environment_locale();

/// Where a weight file's lexicon may be, in this order: only $DIT_LEXICON if it is set; lexicon.bin beside the weights;
/// `installed` if it is not empty.
std::vector<std::filesystem::path> lexicon_places(const std::filesystem::path& weights,
                                                  const std::filesystem::path& installed);

/// A model's lexicon, opened when a prompt has the first word that is not the model's own. thread  any
class LexiconFile {
 public:
  /// places  the first one that is there is read; none need be. locale: whose words come first
  explicit LexiconFile(std::vector<std::filesystem::path> places, std::string locale = environment_locale());

  /// Nothing where there is no file. errors  unreadable, wrong_format
  std::shared_ptr<const Lexicon> open() const;
  const std::string& locale() const noexcept { return locale_; }

 private:
  std::vector<std::filesystem::path> places_;
  std::string locale_;
  mutable std::mutex mutex_;
  mutable bool opened_ = false;
  mutable std::shared_ptr<const Lexicon> lexicon_;
};

/// What parse_label() makes of a prompt of known words alone, and of every prompt if `strict` is set or there is no
/// lexicon; other words by the lexicon, and letters in quotes or called so by the model's letters.
/// errors  those of parse_label(); unreadable and wrong_format: the lexicon
Label read_prompt(const ModelConfig& config, std::string_view prompt, std::string_view style, bool strict = false,
                  const std::atomic<bool>& cancel = never_cancelled);

/// "puppy → dog face (synonym), kaffee → coffee (our list)": what was read by the lexicon, the first few; empty if
/// nothing was.
std::string describe_readings(const Label& label);

}  // namespace dit
