// SPDX-License-Identifier: MIT
#include "engine/model/vocabulary.h"

#include <algorithm>
#include <cctype>
#include <numeric>
#include <utility>

#include "engine/error.h"

namespace dit {
namespace {

/// Bytes over 127 belong to words, so that UTF-8 letters do not split them.
bool is_word_byte(unsigned char c) { return c > 127 || std::isalnum(c) || c == ':'; }

std::vector<std::string> split_words(std::string_view text) {
  std::vector<std::string> words;
  std::string word;
  // A ':' belongs to a word inside it ("c:red"), not around it ("keycap: 10").
  const auto finish = [&] {
    const std::size_t first = word.find_first_not_of(':');
    if (first != std::string::npos) words.push_back(word.substr(first, word.find_last_not_of(':') + 1 - first));
    word.clear();
  };
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (is_word_byte(byte)) {
      word += byte < 128 ? static_cast<char>(std::tolower(byte)) : c;
    } else {
      finish();
    }
  }
  finish();
  return words;
}

/// Levenshtein distance.
std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::size_t diagonal = std::exchange(row[0], i);
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t change = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
      diagonal = std::exchange(row[j], std::min({change, row[j] + 1, row[j - 1] + 1}));
    }
  }
  return row.back();
}

std::vector<std::string> nearest(std::vector<std::string> known, std::string_view word, std::size_t count) {
  word = word.substr(0, 64);  // no vocabulary has longer words, and the distance costs their product
  std::vector<std::pair<std::size_t, std::string>> ranked;
  for (std::string& candidate : known) {
    const std::size_t distance = edit_distance(word, candidate);
    ranked.emplace_back(distance, std::move(candidate));
  }
  std::sort(ranked.begin(), ranked.end());
  std::vector<std::string> result;
  for (std::size_t i = 0; i < std::min(count, ranked.size()); ++i) result.push_back(std::move(ranked[i].second));
  return result;
}

/// The start of a text that a user gave, for error messages: prompts may be megabytes long.
std::string shorten(std::string_view text) {
  return text.size() <= 80 ? std::string(text) : std::string(text.substr(0, 80)) + "...";
}

std::string join(const std::vector<std::string>& parts) {
  std::string text;
  for (const std::string& part : parts) text += (text.empty() ? "" : ", ") + part;
  return text;
}

/// Rows of word_embed for one typed word; empty if unknown.
std::vector<std::uint32_t> rows_of(const ModelConfig& config, const std::string& word) {
  const auto alias = config.aliases.find(word);
  const std::vector<std::string> targets =
      alias == config.aliases.end() ? std::vector<std::string>{word} : alias->second;
  std::vector<std::uint32_t> rows;
  for (const std::string& target : targets) {
    const auto found = std::find(config.words.begin(), config.words.end(), target);
    if (found != config.words.end()) rows.push_back(static_cast<std::uint32_t>(found - config.words.begin()) + 1);
  }
  return rows;
}

std::uint32_t style_row(const ModelConfig& config, std::string_view style) {
  if (style.empty()) return static_cast<std::uint32_t>(config.styles.size());
  expect(config.has_styles, ErrorKind::settings, "no style '{}': model {} was trained without styles", shorten(style),
         config.name);
  const auto found = std::find(config.styles.begin(), config.styles.end(), style);
  expect(found != config.styles.end(), ErrorKind::settings, "no style '{}' in model {}; it knows {}", shorten(style),
         config.name, join(config.styles));
  return static_cast<std::uint32_t>(found - config.styles.begin());
}

}  // namespace

std::vector<std::string> nearest_words(const ModelConfig& config, std::string_view word, std::size_t count) {
  std::vector<std::string> known;
  for (const std::string& candidate : config.words) {
    // Words with a colon are the model's own marks (colours, groups), which nobody mistypes.
    if (candidate.find(':') == std::string::npos) known.push_back(candidate);
  }
  for (const auto& [alias, targets] : config.aliases) known.push_back(alias);
  std::sort(known.begin(), known.end());
  known.erase(std::unique(known.begin(), known.end()), known.end());
  return nearest(std::move(known), word, count);
}

std::string describe_unknown(const ModelConfig& config, const Label& label) {
  std::string text;
  for (const std::string& word : label.unknown) {
    if (!text.empty()) text += "; ";
    text +=
        "no word '" + shorten(word) + "' in model " + config.name + "; nearest: " + join(nearest_words(config, word));
  }
  return text;
}

Label parse_label(const ModelConfig& config, std::string_view prompt, std::string_view style) {
  Label label;
  label.style = style_row(config, style);
  const std::vector<std::string> typed = split_words(prompt);
  expect(config.has_words || typed.empty(), ErrorKind::settings, "prompt '{}': model {} was trained without words",
         shorten(prompt), config.name);
  for (const std::string& word : typed) {
    const std::vector<std::uint32_t> rows = rows_of(config, word);
    if (rows.empty()) label.unknown.push_back(word);
    for (const std::uint32_t row : rows) {
      if (std::find(label.words.begin(), label.words.end(), row) == label.words.end()) label.words.push_back(row);
    }
  }
  expect(!label.words.empty() || label.unknown.empty(), ErrorKind::settings, "prompt '{}': {}", shorten(prompt),
         describe_unknown(config, label));
  return label;
}

}  // namespace dit
