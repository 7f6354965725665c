// SPDX-License-Identifier: MIT
// Prompts and styles: text -> rows of the embedding tables.
#pragma once

#include <atomic>
#include <cstddef>
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
  std::vector<std::string> unknown;  ///< words of the prompt that the model does not know, each once
  bool operator==(const Label&) const = default;
};

/// The longest prompt. Whoever says more than this has something else in mind.
inline constexpr std::size_t most_prompt_bytes = std::size_t{1} << 17;
/// For callers who cannot be cancelled.
inline const std::atomic<bool> reading_to_the_end{false};

/// Splits into words, see split_words in text.h, and looks each up once (aliases first).
/// An empty prompt is allowed: the icon is then whatever the style and the seed give.
/// errors  throws Error{settings} for an unknown style, a prompt that is too long, or when no word of a non-empty
/// prompt
///         is known; the last names the nearest known ones. Cancelled, if `cancel` becomes true
Label parse_label(const ModelConfig& config, std::string_view prompt, std::string_view style,
                  const std::atomic<bool>& cancel = reading_to_the_end);

/// The `count` known words nearest to `word` by edit distance, nearest first.
std::vector<std::string> nearest_words(const ModelConfig& config, std::string_view word, std::size_t count = 3);

/// "no word 'foxx' in model icons; nearest: fox, box, ox" for the first unknown words, joined by "; ", and how many
/// more there are. Empty if all are known.
std::string describe_unknown(const ModelConfig& config, const Label& label);

}  // namespace dit
