// SPDX-License-Identifier: MIT
// A model's words, aliases and styles, found by what people type: made once a model, at the first look.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace dit {

struct ModelConfig;

/// Of two entries that are the same when folded, the one that is written so counts, then the first: an entry that could
/// be typed before means what it did.
/// thread  any
class WordIndex {
 public:
  /// The index of a model's own configuration, which must outlive it.
  explicit WordIndex(const ModelConfig& config) : config_(config) {}

  /// Whether this is the index of this very object: a copy may have been changed.
  bool is_of(const ModelConfig& config) const noexcept { return &config == &config_; }

  /// Rows of word_embed for a word of split_words; empty if it is unknown.
  const std::vector<std::uint32_t>& rows(const std::string& word) const;
  /// Row of style_embed.
  std::optional<std::uint32_t> style(std::string_view name) const;
  /// The `count` known words nearest by edit distance in characters, nearest first, then by the alphabet. Fewer,
  /// perhaps none, where they share no character with it.
  std::vector<std::string> nearest(std::string_view word, std::size_t count) const;

 private:
  struct Candidate {
    std::string text;
    std::u32string characters;
  };

  void make() const;
  void make_rows() const;

  const ModelConfig& config_;
  mutable std::once_flag ready_;
  mutable std::unordered_map<std::string, std::vector<std::uint32_t>> rows_;
  mutable std::unordered_map<std::string, std::uint32_t> styles_;
  mutable std::vector<Candidate> candidates_;  ///< by length
};

/// The model's index, or one made for a configuration that no model has.
std::shared_ptr<const WordIndex> index_of(const ModelConfig& config);

}  // namespace dit
