// SPDX-License-Identifier: MIT
#include "engine/model/prompts/interpreter.h"

#include <algorithm>
#include <array>
#include <bit>
#include <functional>
#include <utility>

#include "engine/model/prompts/pieces.h"
#include "engine/model/text.h"

namespace dit {
namespace {

constexpr float worth_a_hint = 0.28f;
// Company in a corpus says less than what a dictionary does: names and peoples stand near to anything.
constexpr float paintable_by_company = 0.42f;
constexpr std::size_t longest_sequence = 16;  // code points of an emoji, with joiners and tags

/// Whether an answer of this kind is another word for the same thing.
bool means_the_same(AnswerKind kind) {
  return kind == AnswerKind::label || kind == AnswerKind::form || kind == AnswerKind::synonym ||
         kind == AnswerKind::own;
}

/// How little of a guess an answer of this kind is: our lists were written by hand; a base form, what a list calls an
/// emoji and that a word says nothing are facts; the others are near at best.
std::size_t rank_of(AnswerKind kind) {
  if (kind == AnswerKind::own) return 0;
  return kind == AnswerKind::label || kind == AnswerKind::form || kind == AnswerKind::stop ? 1 : 2;
}

std::vector<std::string_view> split(std::string_view text) {
  std::vector<std::string_view> words;
  while (!text.empty()) {
    const std::string_view word = text.substr(0, text.find(' '));
    if (!word.empty()) words.push_back(word);
    text.remove_prefix(std::min(text.size(), word.size() + 1));
  }
  return words;
}

}  // namespace

Interpreter::Interpreter(const Lexicon& lexicon, const ModelConfig& config, const WordIndex& index,
                         std::string_view language)
    : lexicon_(lexicon),
      config_(config),
      index_(index),
      own_(lexicon.language_of(language)),
      english_(lexicon.language_of("en")) {}

void Interpreter::listen(const std::vector<std::string>& unknown) {
  constexpr std::size_t enough = 32, enough_without_blanks = 4;  // the latter cost hundreds of look-ups each
  std::size_t without_blanks = 0;
  Votes votes{};
  heard_ = 0;
  for (std::size_t i = 0; i < std::min(unknown.size(), enough); ++i) {
    if (!has_no_blanks(unknown[i]) || lexicon_.has_key(unknown[i])) {
      vote(unknown[i], votes);
      continue;
    }
    if (++without_blanks > enough_without_blanks) continue;
    const auto is_key = [this](const std::string& text) { return lexicon_.has_key(text); };
    for (const std::string& part : parts_of(unknown[i], is_key)) vote(part, votes);
  }
  const auto most = std::ranges::max_element(votes);
  if (*most > 0) heard_ = Languages{1} << (most - votes.begin());
}

void Interpreter::vote(const std::string& word, Votes& votes) const {
  Votes of_word{};
  for (const Answer& answer : lexicon_.find(word)) {
    if (answer.languages & Lexicon::emoji_language || answer.sure < 0.45f) continue;
    for (std::size_t bit = 0; bit < lexicon_.languages().size(); ++bit) {
      const Languages language = Languages{1} << bit;
      if (answer.languages & language) of_word[bit] = std::max(of_word[bit], answer.sure * weight(language));
    }
  }
  std::ranges::transform(votes, of_word, votes.begin(), std::plus<>());
}

float Interpreter::weight(Languages languages) const {
  if (languages & Lexicon::emoji_language) return 1;
  if (languages & own_) return 1;
  if (languages & heard_) return 0.98f;
  if (languages & english_) return 0.92f;
  // The lists stand in the order of how many people may be expected to type them.
  return 0.88f - 0.005f * static_cast<float>(std::countr_zero(languages | Lexicon::emoji_language));
}

std::optional<Meaning> Interpreter::resolve(const Answer& answer) const {
  Meaning meaning = {.rows = {},
                     .painted = std::string(answer.concept_text),
                     .kind = answer.kind,
                     .languages = answer.languages,
                     .sure = answer.sure};
  if (answer.kind == AnswerKind::stop) return meaning;
  for (const std::string_view word : split(answer.concept_text)) {
    const std::vector<std::uint32_t>& rows = index_.rows(std::string(word));
    if (rows.empty()) return std::nullopt;
    meaning.rows.insert(meaning.rows.end(), rows.begin(), rows.end());
  }
  return meaning.rows.empty() ? std::nullopt : std::optional(std::move(meaning));
}

/// That of the word that the model knows worst.
float Interpreter::goodness(const Meaning& meaning) const {
  float least = 1;
  if (config_.good.empty()) return least;
  for (const std::uint32_t row : meaning.rows) {
    // Attributes are no words that a judge could recognise.
    if (config_.words[row - 1].find(':') == std::string::npos) least = std::min(least, config_.goodness(row));
  }
  return least;
}

std::optional<Meaning> Interpreter::better(const std::string& word, std::uint32_t row) {
  constexpr float clearly = 0.25f;
  if (config_.good.empty()) return std::nullopt;
  std::optional<Meaning> found;
  float least = config_.goodness(row) + clearly;
  for (const Answer& answer : lexicon_.find(word)) {
    // A keyword of cooking is a knife, but who types knife wants one, badly painted as it may be.
    if (!means_the_same(answer.kind) || !(answer.languages & english_) || answer.sure < paintable) continue;
    auto other = resolve(answer);
    if (!other || other->rows.empty() || other->painted == word || goodness(*other) < least) continue;
    least = goodness(*other);
    found = std::move(other);
  }
  return found;
}

/// How well the model knows a word chooses among answers of a rank; it makes no near word of the thing itself ("knives"
/// are no scissors, badly as a knife is painted).
std::optional<Meaning> Interpreter::best(const std::string& key, float least, Languages languages,
                                         bool with_stop_words) const {
  struct Choice {
    std::optional<Meaning> meaning;
    float worth = 0, known = 0;
  };
  std::array<Choice, 3> ranks;
  for (const Answer& answer : lexicon_.find(key)) {
    const float worth = answer.sure * weight(answer.languages);
    Choice& choice = ranks[rank_of(answer.kind)];
    if (!(answer.languages & languages) || answer.sure < least || worth <= choice.known) continue;
    if (answer.kind == AnswerKind::stop && !with_stop_words) continue;
    auto meaning = resolve(answer);
    if (!meaning) continue;
    const float known = worth * (0.96f + 0.04f * goodness(*meaning));
    if (known > choice.known) choice = {std::move(meaning), worth, known};
  }
  Choice* most = &ranks[2];
  for (Choice* choice : {&ranks[1], &ranks[0]}) {
    if (choice->meaning && (choice->worth >= most->worth || choice->known >= most->known)) most = choice;
  }
  return std::move(most->meaning);
}

std::optional<Meaning> Interpreter::meaning(const std::string& key) {
  const auto known = known_.find(key);
  if (known != known_.end()) return known->second;
  auto found = best(key, paintable);
  if (found && found->kind == AnswerKind::near && found->sure < paintable_by_company) found.reset();
  return known_.emplace(key, std::move(found)).first->second;
}

std::optional<Meaning> Interpreter::thing(const std::string& word) const {
  Languages silent = 0;
  for (const Answer& answer : lexicon_.find(word)) silent |= answer.kind == AnswerKind::stop ? answer.languages : 0;
  auto found = best(word, paintable, silent & ~english_, false);
  // A keyword of one emoji may be said in passing ("la" of a note), and Latin languages have the most such words.
  const bool is_latin = static_cast<unsigned char>(word.front()) < 0xcd;
  const bool listed = found && (found->kind == AnswerKind::label || found->kind == AnswerKind::own ||
                                (found->kind == AnswerKind::keyword && !is_latin));
  return listed ? found : std::nullopt;
}

std::string Interpreter::explain(const Meaning& meaning) const {
  constexpr int most = 3;
  std::string text = name_of(meaning.kind);
  if (meaning.languages == Lexicon::emoji_language) return text;
  int named = 0;
  for (std::size_t i = 0; i < lexicon_.languages().size() && named < most; ++i) {
    if (meaning.languages >> i & 1) text += (named++ ? ", " : " in ") + lexicon_.languages()[i];
  }
  return text;
}

std::string Interpreter::near(const std::string& word) {
  const auto found = best(word, worth_a_hint);
  return found ? found->painted : "";
}

std::optional<Meaning> Interpreter::foreign(const std::string& word) {
  if (heard_ == 0 || heard_ == english_) return std::nullopt;
  auto found = best(word, 0.9f, heard_);
  const bool says_nothing = found && found->kind == AnswerKind::stop;
  return says_nothing || (found && found->kind == AnswerKind::label && found->painted != word) ? found : std::nullopt;
}

std::vector<std::pair<std::string, Meaning>> Interpreter::pictures(std::string_view text,
                                                                   std::vector<std::string>& unknown) {
  constexpr std::string_view joiner = "\xe2\x80\x8d";
  std::vector<std::pair<std::string, Meaning>> found;
  for (std::size_t at = 0; at < text.size();) {
    std::vector<std::size_t> ends;
    for (std::size_t end = at; ends.size() < longest_sequence && end < text.size();) {
      ends.push_back(end = next_code_point(text, end));
    }
    std::size_t next = ends.front();
    const std::string one(text.substr(at, next - at));
    bool is_known = false;
    for (; !is_known && !ends.empty(); ends.pop_back()) {
      const std::string sequence(text.substr(at, ends.back() - at));
      if (auto meaning = this->meaning(sequence)) {
        next = ends.back();
        found.emplace_back(sequence, std::move(*meaning));
        is_known = true;
      }
    }
    if (!is_known && one != joiner) unknown.push_back(one);
    at = next;
  }
  return found;
}

}  // namespace dit
