// SPDX-License-Identifier: MIT
// What words and emoji that a model has not may mean to it: the lexicon's answers, weighed by language.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "engine/model/model.h"
#include "engine/model/prompts/lexicon.h"
#include "engine/model/word_index.h"

namespace dit {

/// What is painted for a word.
struct Meaning {
  std::vector<std::uint32_t> rows;  ///< of word_embed; empty for a word that says nothing
  std::string painted;              ///< the words of these rows
  AnswerKind kind = AnswerKind::stop;
  std::uint32_t languages = 0;  ///< see Answer
  float sure = 0;               ///< 0 … 1
};

/// For one prompt; what it is made of must outlive it.
class Interpreter {
 public:
  /// language  a locale, asked first
  Interpreter(const Lexicon& lexicon, const ModelConfig& config, const WordIndex& index, std::string_view language);

  /// Finds out in which language unknown words are; without it only the locale and English come first.
  void listen(const std::vector<std::string>& unknown);

  /// What a word or several with blanks between them mean. Surely enough to be painted.
  std::optional<Meaning> meaning(const std::string& key);
  /// The same for a word that the lexicon has not: another form of one that it has, or one made of several. Costs more.
  std::vector<Meaning> taken_apart(const std::string& word);
  /// Emoji side by side, each by the longest sequence that the lexicon has. unknown: what it has not.
  std::vector<std::pair<std::string, Meaning>> pictures(std::string_view text, std::vector<std::string>& unknown);
  /// For a word of the model: what it means where the other words are of another language ("die" beside "Katze").
  std::optional<Meaning> foreign(const std::string& word);
  /// For a word that the model has but knows badly: what it knows better; nothing if the file does not say how well.
  std::optional<Meaning> better(const std::string& word, std::uint32_t row);
  /// Whether several words that begin with this one may mean something together.
  bool begins_several(const std::string& word) const { return lexicon_.has_prefix(word + " "); }
  /// "keyword in de, nl": how a meaning was found, for people.
  std::string explain(const Meaning& meaning) const;
  /// Words of the model that come near a word, however unsurely; empty if none do.
  std::string near(const std::string& word);

 private:
  std::optional<Meaning> best(const std::string& key, float least, std::uint32_t languages = ~0u);
  std::optional<Meaning> resolve(const Answer& answer) const;
  float weight(std::uint32_t languages) const;
  float goodness(const Meaning& meaning) const;
  std::optional<Meaning> plural(const std::string& word);
  std::optional<Meaning> other_form(const std::string& word);
  std::vector<Meaning> compound(const std::string& word);
  std::vector<Meaning> segments(const std::string& word);

  const Lexicon& lexicon_;
  const ModelConfig& config_;
  const WordIndex& index_;
  std::uint32_t own_ = 0, heard_ = 0, english_ = 0;  ///< languages, as bits
  std::unordered_map<std::string, std::optional<Meaning>> known_;
};

}  // namespace dit
