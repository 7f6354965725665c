// SPDX-License-Identifier: MIT
// Prompts and styles: text -> rows of the embedding tables.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "engine/error.h"
#include "engine/model/model.h"

namespace dit {

/// What is painted for something in a prompt that the model has no word for, by the lexicon.
struct Reading {
  std::string typed;
  std::string painted;  ///< words of the model
  std::string how;      ///< "keyword in de"
  float sure = 0;       ///< 0 … 1
  bool operator==(const Reading&) const = default;
};

/// A prompt as the network sees it.
struct Label {
  std::vector<std::uint32_t> words;  ///< rows of word_embed; empty means no prompt
  std::uint32_t style = 0;           ///< row of style_embed; the last row means no style
  std::vector<std::string> unknown;  ///< words of the prompt that nobody knows, each once
  std::vector<std::string> meant;    ///< for unknown[i]: words that it may mean, too unsurely to paint them; or shorter
  std::vector<Reading> readings;     ///< words of the prompt that the lexicon knows, each once
  bool operator==(const Label&) const = default;
};

/// The longest prompt. Whoever says more than this has something else in mind.
inline constexpr std::size_t most_prompt_bytes = std::size_t{1} << 17;

/// Splits into words, see split_words in text.h, and looks each up once (aliases first).
/// An empty prompt is allowed: the icon is then whatever the style and the seed give.
/// errors  throws Error{settings} for an unknown style, a prompt that is too long, or when no word of a non-empty
/// prompt
///         is known; the last names the nearest known ones. Cancelled, if `cancel` becomes true
Label parse_label(const ModelConfig& config, std::string_view prompt, std::string_view style,
                  const std::atomic<bool>& cancel = never_cancelled);

/// errors  throws Error{settings} if there are unknown words in the label and no others, as parse_label() does
void refuse_unknown(const ModelConfig& config, std::string_view prompt, const Label& label);
/// Row of style_embed. errors  throws Error{settings}, naming the styles that there are
std::uint32_t style_row(const ModelConfig& config, std::string_view style);

/// The `count` known words nearest to `word` by edit distance, nearest first.
std::vector<std::string> nearest_words(const ModelConfig& config, std::string_view word, std::size_t count = 3);

/// "no word 'foxx' in model icons; nearest: fox, box, ox", by meaning first and then by spelling, for the first unknown
/// words, joined by "; ", and how many more there are. Empty if all are known.
std::string describe_unknown(const ModelConfig& config, const Label& label);

}  // namespace dit
