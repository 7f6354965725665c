// SPDX-License-Identifier: MIT
// What words and emoji that a model has not may mean to it: the lexicon's answers, weighed by language.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
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
  Languages languages = 0;  ///< see Answer
  float sure = 0;           ///< 0 … 1
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
  /// What a word that says nothing means all the same where it is said so, if it does.
  std::optional<Meaning> thing(const std::string& word) const;
  /// Whether several words that begin with this one may mean something together.
  bool begins_several(const std::string& word) const { return lexicon_.has_prefix(word + " "); }
  /// Whether it is of English or of the locale's language.
  bool is_expected(const Meaning& meaning) const { return (meaning.languages & (english_ | own_)) != 0; }
  /// "keyword in de, nl": how a meaning was found, for people.
  std::string explain(const Meaning& meaning) const;
  /// Words of the model that come near a word, however unsurely; empty if none do.
  std::string near(const std::string& word);

 private:
  static constexpr float paintable = 0.36f;  ///< what is less sure than this is not painted
  std::optional<Meaning> best(const std::string& key, float least, Languages languages = ~Languages{0},
                              bool with_stop_words = true) const;
  std::optional<Meaning> resolve(const Answer& answer) const;
  float weight(Languages languages) const;
  float goodness(const Meaning& meaning) const;
  using Votes = std::array<float, 64>;  ///< for each language
  void vote(const std::string& word, Votes& votes) const;

  // What taken_apart() tries, in interpreter_apart.cpp.
  /// The word itself where the model has it, as what something else was meant to be.
  std::optional<Meaning> models_own(const std::string& word, AnswerKind kind, float sure) const;
  std::optional<Meaning> plural(const std::string& word);
  std::optional<Meaning> without_accents(const std::string& word);
  std::optional<Meaning> other_form(const std::string& word);
  std::optional<Meaning> shorter_form(const std::string& word);
  std::optional<Meaning> misspelt(const std::string& word);
  std::vector<Meaning> compound(const std::string& word);
  std::vector<Meaning> ends_in_known(const std::string& word);
  std::vector<Meaning> segments(const std::string& word);
  static std::vector<std::string> parts_of(const std::string& word,
                                           const std::function<bool(const std::string&)>& is_one);
  bool is_english(const std::string& word) const;
  bool is_form_of(const Meaning& meaning, const std::string& word, const std::string& base) const;

  const Lexicon& lexicon_;
  const ModelConfig& config_;
  const WordIndex& index_;
  Languages own_ = 0, heard_ = 0, english_ = 0;
  std::size_t misspelt_ = 0;  ///< words that were looked for among misspelt ones
  std::unordered_map<std::string, std::optional<Meaning>> known_;
};

}  // namespace dit
