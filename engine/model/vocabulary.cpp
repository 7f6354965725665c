// SPDX-License-Identifier: MIT
#include "engine/model/vocabulary.h"

#include <unordered_set>

#include "engine/error.h"
#include "engine/model/text.h"
#include "engine/model/word_index.h"

namespace dit {
namespace {

/// Unknown words that a message names; the others are counted.
constexpr std::size_t most_named = 3;

std::string join(const std::vector<std::string>& parts) {
  std::string text;
  for (const std::string& part : parts) text += (text.empty() ? "" : ", ") + part;
  return text;
}

std::uint32_t style_row(const ModelConfig& config, const WordIndex& index, std::string_view style) {
  if (style.empty()) return static_cast<std::uint32_t>(config.styles.size());
  expect(config.has_styles, ErrorKind::settings, "no style '{}': model {} was trained without styles", shorten(style),
         config.name);
  const auto found = index.style(style.substr(0, most_prompt_bytes));
  expect(found.has_value(), ErrorKind::settings, "no style '{}' in model {}; it knows {}", shorten(style), config.name,
         join(config.styles));
  return *found;
}

std::string describe(const ModelConfig& config, const WordIndex& index, const Label& label) {
  std::string text;
  for (std::size_t i = 0; i < label.unknown.size() && i < most_named; ++i) {
    const std::string& word = label.unknown[i];
    if (!text.empty()) text += "; ";
    std::vector<std::string> nearest = index.nearest(word, 3);
    if (i < label.meant.size() && !label.meant[i].empty()) {
      std::erase(nearest, label.meant[i]);
      nearest.insert(nearest.begin(), label.meant[i]);
    }
    text += "no word '" + shorten(word) + "' in model " + config.name;
    text += nearest.empty() ? ", nor one like it" : "; nearest: " + join(nearest);
  }
  if (label.unknown.size() > most_named) {
    text += fmt::format("; and {} more unknown words", label.unknown.size() - most_named);
  }
  return text;
}

}  // namespace

std::vector<std::string> nearest_words(const ModelConfig& config, std::string_view word, std::size_t count) {
  return index_of(config)->nearest(word, count);
}

std::string describe_unknown(const ModelConfig& config, const Label& label) {
  return label.unknown.empty() ? "" : describe(config, *index_of(config), label);
}

Label parse_label(const ModelConfig& config, std::string_view prompt, std::string_view style,
                  const std::atomic<bool>& cancel) {
  const auto index = index_of(config);
  Label label;
  label.style = style_row(config, *index, style);
  expect(prompt.size() <= most_prompt_bytes, ErrorKind::settings, "prompt '{}': expected at most {} bytes, found {}",
         shorten(prompt), most_prompt_bytes, prompt.size());
  const std::vector<std::string> typed = split_words(prompt);
  expect(config.has_words || typed.empty(), ErrorKind::settings, "prompt '{}': model {} was trained without words",
         shorten(prompt), config.name);
  std::unordered_set<std::string_view> seen;
  std::unordered_set<std::uint32_t> taken;
  for (const std::string& word : typed) {
    if (cancel) throw Cancelled();
    if (!seen.insert(word).second) continue;
    const std::vector<std::uint32_t>& rows = index->rows(word);
    if (rows.empty()) label.unknown.push_back(word);
    for (const std::uint32_t row : rows) {
      if (taken.insert(row).second) label.words.push_back(row);
    }
  }
  refuse_unknown(config, prompt, label);
  return label;
}

void refuse_unknown(const ModelConfig& config, std::string_view prompt, const Label& label) {
  if (!label.words.empty() || label.unknown.empty()) return;
  fail(ErrorKind::settings, "prompt '{}': {}", shorten(prompt), describe_unknown(config, label));
}

std::uint32_t style_row(const ModelConfig& config, std::string_view style) {
  return style_row(config, *index_of(config), style);
}

}  // namespace dit
