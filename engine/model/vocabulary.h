// SPDX-License-Identifier: MIT
// Prompts and styles: text -> rows of the embedding tables.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "engine/model/model.h"

namespace dit {

/// A prompt as the network sees it.
struct Label {
  std::vector<std::uint32_t> words;  ///< rows of word_embed; empty means no prompt
  std::uint32_t style = 0;           ///< row of style_embed; the last row means no style
  std::vector<std::string> unknown;  ///< words of the prompt that the model does not know
  bool operator==(const Label&) const = default;
};

/// Splits at anything but letters, digits and ':', lower-cases, looks each word up (aliases first).
/// An empty prompt is allowed: the icon is then whatever the style and the seed give.
/// errors  throws Error{settings} for an unknown style, or when no word of a non-empty prompt is known; both name the
///         nearest known ones
Label parse_label(const ModelConfig& config, std::string_view prompt, std::string_view style);

/// The `count` known words nearest to `word` by edit distance, nearest first.
std::vector<std::string> nearest_words(const ModelConfig& config, std::string_view word, std::size_t count = 3);

/// "no word 'foxx' in model icons; nearest: fox, box, ox" for each unknown word, joined by "; ". Empty if all are
/// known.
std::string describe_unknown(const ModelConfig& config, const Label& label);

}  // namespace dit
