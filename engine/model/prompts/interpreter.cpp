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

constexpr float paintable = 0.36f, worth_a_hint = 0.28f;
// Company in a corpus says less than what a dictionary does: names and peoples stand near to anything.
constexpr float paintable_by_company = 0.42f;
constexpr std::size_t longest_sequence = 16;  // code points of an emoji, with joiners and tags

std::size_t shared_beginning(std::u32string_view a, std::u32string_view b) {
  return static_cast<std::size_t>(std::ranges::mismatch(a, b).in1 - a.begin());
}

bool is_strong(const Meaning& meaning) {
  return meaning.sure >= 0.6f &&
         (meaning.kind == AnswerKind::label || meaning.kind == AnswerKind::keyword || meaning.kind == AnswerKind::own);
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
  constexpr std::size_t enough = 32;
  std::array<float, 32> votes{};
  heard_ = 0;
  for (std::size_t i = 0; i < std::min(unknown.size(), enough); ++i) {
    std::array<float, 32> of_word{};
    for (const Answer& answer : lexicon_.find(unknown[i])) {
      if (answer.languages & Lexicon::emoji_language || answer.sure < 0.45f) continue;
      for (std::uint32_t bit = 0; bit < lexicon_.languages().size(); ++bit) {
        if (answer.languages >> bit & 1) of_word[bit] = std::max(of_word[bit], answer.sure * weight(1u << bit));
      }
    }
    std::ranges::transform(votes, of_word, votes.begin(), std::plus<>());
  }
  const auto most = std::ranges::max_element(votes);
  if (*most > 0) heard_ = 1u << (most - votes.begin());
}

float Interpreter::weight(std::uint32_t languages) const {
  if (languages & Lexicon::emoji_language) return 1;
  if (languages & own_) return 1;
  if (languages & heard_) return 0.98f;
  if (languages & english_) return 0.92f;
  // The lists stand in the order of how many people may be expected to type them.
  return 0.88f - 0.01f * static_cast<float>(std::countr_zero(languages | 1u << 31));
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
  auto found = meaning(word);
  const bool is_better =
      found && !found->rows.empty() && found->painted != word && goodness(*found) >= config_.goodness(row) + clearly;
  return is_better ? found : std::nullopt;
}

std::optional<Meaning> Interpreter::best(const std::string& key, float least, std::uint32_t languages) {
  std::optional<Meaning> found;
  float most = 0;
  for (const Answer& answer : lexicon_.find(key)) {
    const float worth = answer.sure * weight(answer.languages);
    if (!(answer.languages & languages) || answer.sure < least || worth <= most) continue;
    auto meaning = resolve(answer);
    if (!meaning) continue;
    const float known = worth * (0.5f + 0.5f * goodness(*meaning));
    if (known <= most) continue;
    found = std::move(meaning);
    most = known;
  }
  return found;
}

std::optional<Meaning> Interpreter::meaning(const std::string& key) {
  const auto known = known_.find(key);
  if (known != known_.end()) return known->second;
  auto found = best(key, paintable);
  if (found && found->kind == AnswerKind::near && found->sure < paintable_by_company) found.reset();
  return known_.emplace(key, std::move(found)).first->second;
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

/// "Katzen" by "Katze": the key of no blanks that shares the longest beginning, where little is left of either.
std::optional<Meaning> Interpreter::other_form(const std::string& word) {
  constexpr std::size_t neighbours = 6, least_shared = 4, most_unshared = 3;
  const std::u32string wanted = decode_utf8(word);
  std::optional<Meaning> found;
  const auto as_form = [](Meaning meaning) {
    meaning.sure *= 0.75f;
    meaning.kind = AnswerKind::form;
    return meaning;
  };
  std::string beginning = word;
  for (std::size_t cut = 1; cut < most_unshared && wanted.size() >= least_shared + cut; ++cut) {
    do beginning.pop_back();
    while (!beginning.empty() && (static_cast<unsigned char>(word[beginning.size()]) & 0xc0) == 0x80);
    const auto shorter = meaning(beginning);
    if (shorter && is_strong(*shorter)) return as_form(*shorter);
  }
  std::size_t longest = least_shared - 1;
  for (const std::string& key : lexicon_.around(word, neighbours)) {
    const std::u32string other = decode_utf8(key);
    const std::size_t shared = shared_beginning(wanted, other);
    if (shared <= longest || wanted.size() > shared + most_unshared || other.size() > shared + most_unshared) continue;
    if (shared * 10 < wanted.size() * 6 || key.find(' ') != std::string::npos) continue;
    auto candidate = meaning(key);
    if (!candidate || candidate->kind == AnswerKind::stop || candidate->sure * 0.75f < paintable) continue;
    found = as_form(std::move(*candidate));
    longest = shared;
  }
  return found;
}

/// "cabbages" by "cabbage": English plurals that no list has, of the model's own words too.
std::optional<Meaning> Interpreter::plural(const std::string& word) {
  constexpr std::array<std::pair<std::string_view, std::string_view>, 4> endings = {
      {{"ies", "y"}, {"ves", "f"}, {"es", ""}, {"s", ""}}};
  constexpr std::size_t least = 3;
  for (const auto& [ending, single] : endings) {
    if (!word.ends_with(ending) || word.size() < ending.size() + least) continue;
    const std::string base = word.substr(0, word.size() - ending.size()) + std::string(single);
    if (const auto& rows = index_.rows(base); !rows.empty()) {
      return Meaning{.rows = rows, .painted = base, .kind = AnswerKind::form, .languages = english_, .sure = 0.9f};
    }
    auto found = meaning(base);
    if (!found || found->rows.empty() || !(found->languages & english_)) continue;
    found->sure *= 0.9f;
    return found;
  }
  return std::nullopt;
}

/// "Kaffeetasse": two words that the lexicon is sure of, perhaps with a letter between them; the longest last one
/// counts.
std::vector<Meaning> Interpreter::compound(const std::string& word) {
  constexpr std::size_t least_part = 3, longest = 64;  // every end of a word is looked up, and kept
  const auto compounding = [this] {
    std::uint32_t languages = 0;
    for (const char* name : {"de", "nl", "sv", "da", "nb", "fi", "hu", "et"}) languages |= lexicon_.language_of(name);
    return languages;
  };
  const std::size_t size = decode_utf8(word).size();
  if (size > longest) return {};
  std::size_t at = 0;
  for (std::size_t k = 1; k + least_part <= size; ++k) {
    at = next_code_point(word, at);
    if (k < least_part) continue;
    auto last = meaning(word.substr(at));
    if (!last || !is_strong(*last)) continue;
    for (const std::size_t link : {0u, 1u, 2u}) {
      if (at < least_part + link) break;
      auto first = meaning(word.substr(0, at - link));
      if (first && is_strong(*first) && (first->languages & last->languages & compounding()))
        return {std::move(*first), std::move(*last)};
    }
  }
  return {};
}

/// Words without blanks between them: from the left, the longest that the lexicon has.
std::vector<Meaning> Interpreter::segments(const std::string& word) {
  constexpr std::size_t longest = 8, most = 64;  // code points of a word; words that are looked at
  std::vector<Meaning> found;
  std::size_t looked_at = 0;
  for (std::size_t at = 0; at < word.size() && ++looked_at <= most;) {
    std::vector<std::size_t> ends;
    for (std::size_t end = at; ends.size() < longest && end < word.size();)
      ends.push_back(end = next_code_point(word, end));
    std::size_t next = ends.front();
    while (!ends.empty()) {
      if (auto meaning = this->meaning(word.substr(at, ends.back() - at))) {
        next = ends.back();
        if (!meaning->rows.empty()) found.push_back(std::move(*meaning));
        break;
      }
      ends.pop_back();
    }
    at = next;
  }
  return found;
}

std::vector<Meaning> Interpreter::taken_apart(const std::string& word) {
  if (has_no_blanks(word)) return segments(word);
  if (word.find(':') != std::string::npos) return {};
  if (auto single = plural(word)) return {std::move(*single)};
  if (auto form = other_form(word)) return {std::move(*form)};
  return compound(word);
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
