// SPDX-License-Identifier: MIT
// Words that the lexicon has not, by other forms of them, by their parts, and as misspelt ones.
#include <algorithm>
#include <array>
#include <utility>

#include "engine/model/prompts/interpreter.h"
#include "engine/model/prompts/pieces.h"
#include "engine/model/prompts/variants.h"
#include "engine/model/text.h"

namespace dit {
namespace {

constexpr float as_form = 0.75f;  // how much less sure another form is

std::size_t shared_beginning(std::u32string_view a, std::u32string_view b) {
  return static_cast<std::size_t>(std::ranges::mismatch(a, b).in1 - a.begin());
}

bool is_strong(const Meaning& meaning) {
  constexpr float strong = 0.6f, strong_form = 0.75f;
  const bool listed =
      meaning.kind == AnswerKind::label || meaning.kind == AnswerKind::keyword || meaning.kind == AnswerKind::own;
  return (listed && meaning.sure >= strong) || (meaning.kind == AnswerKind::form && meaning.sure >= strong_form);
}

Meaning other(Meaning meaning, AnswerKind kind, float share) {
  meaning.sure *= share;
  meaning.kind = kind;
  return meaning;
}

/// Code points that two forms of a word have in common at least: a syllable of Hangul says more than a letter.
std::size_t least_shared(const std::u32string& word) {
  const char32_t first = word.empty() ? U'a' : word.front();
  if (first >= 0xac00 && first <= 0xd7a3) return 2;
  return first < 0x250 ? 4 : 3;
}

}  // namespace

std::optional<Meaning> Interpreter::models_own(const std::string& word, AnswerKind kind, float sure) const {
  const auto& rows = index_.rows(word);
  if (rows.empty()) return std::nullopt;
  return Meaning{.rows = rows, .painted = word, .kind = kind, .languages = english_, .sure = sure};
}

/// "cabbages" by "cabbage": English plurals that no list has, of the model's own words too.
std::optional<Meaning> Interpreter::plural(const std::string& word) {
  constexpr std::array<std::pair<std::string_view, std::string_view>, 4> endings = {
      {{"ies", "y"}, {"ves", "f"}, {"es", ""}, {"s", ""}}};
  constexpr std::size_t least = 3;
  for (const auto& [ending, single] : endings) {
    if (!word.ends_with(ending) || word.size() < ending.size() + least) continue;
    const std::string base = word.substr(0, word.size() - ending.size()) + std::string(single);
    if (auto own = models_own(base, AnswerKind::form, 0.9f)) return own;
    auto found = meaning(base);
    if (!found || found->rows.empty() || !(found->languages & english_)) continue;
    found->sure *= 0.9f;
    return found;
  }
  return std::nullopt;
}

/// "jabłko" typed "jablko", "кот" with an accent on it, a Turkish "KEDİ": lists have most words without accents too.
std::optional<Meaning> Interpreter::without_accents(const std::string& word) {
  constexpr float share = 0.95f;
  const std::string plain = without_marks(word);
  if (plain == word) return std::nullopt;
  if (auto own = models_own(plain, AnswerKind::form, share)) return own;
  auto found = meaning(plain);
  if (!found) return std::nullopt;
  found->sure *= share;
  return found;
}

bool Interpreter::is_english(const std::string& word) const {
  const auto answers = lexicon_.find(word);
  return std::ranges::any_of(answers, [this](const Answer& answer) { return (answer.languages & english_) != 0; });
}

/// What ends in another way is a form of it; English ones are known to end in few ways.
bool Interpreter::is_form_of(const Meaning& meaning, const std::string& word, const std::string& base) const {
  return (meaning.languages & ~english_) != 0 || is_english_form(word, base);
}

/// "elmalarX" by "elmalar": one or two letters less, three where languages string endings together.
std::optional<Meaning> Interpreter::shorter_form(const std::string& word) {
  constexpr std::size_t most_cut = 3;
  Languages stringing = 0;
  for (const char* name : {"tr", "fi", "hu", "et"}) stringing |= lexicon_.language_of(name);
  const std::u32string letters = decode_utf8(word);
  for (std::size_t cut = 1; cut <= most_cut && letters.size() >= least_shared(letters) + cut; ++cut) {
    const std::string base = encode_utf8(std::u32string_view(letters).substr(0, letters.size() - cut));
    auto found = meaning(base);
    if (cut == most_cut && found && (found->languages & stringing) == 0) break;
    if (found && is_strong(*found) && is_form_of(*found, word, base)) {
      return other(std::move(*found), AnswerKind::form, as_form);
    }
  }
  return std::nullopt;
}

/// "Katzen" by "Katze": the key of no blanks that shares the longest beginning, where little is left of either.
std::optional<Meaning> Interpreter::other_form(const std::string& word) {
  constexpr std::size_t neighbours = 6, most_unshared = 2;
  if (auto found = shorter_form(word)) return found;
  const std::u32string wanted = decode_utf8(word);
  std::optional<Meaning> found;
  std::size_t longest = least_shared(wanted) - 1;
  for (const std::string& key : lexicon_.around(word, neighbours)) {
    const std::u32string letters = decode_utf8(key);
    const std::size_t shared = shared_beginning(wanted, letters);
    if (shared <= longest || wanted.size() > shared + most_unshared || letters.size() > shared + most_unshared)
      continue;
    if (shared * 10 < wanted.size() * 7 || key.find(' ') != std::string::npos) continue;
    auto candidate = meaning(key);
    if (!candidate || candidate->kind == AnswerKind::stop || candidate->sure * as_form < paintable) continue;
    if (!is_form_of(*candidate, word, key)) continue;
    found = other(std::move(*candidate), AnswerKind::form, as_form);
    longest = shared;
  }
  return found;
}

/// "bycicle" by "bicycle": one slip away from a word of the model, else from one that the lexicon is sure of; a short
/// one is near to something in many languages.
std::optional<Meaning> Interpreter::misspelt(const std::string& word) {
  constexpr float share = 0.8f;
  constexpr std::size_t most = 8;  // words of a prompt: each costs hundreds of look-ups
  if (lexicon_.has_key(word) || ++misspelt_ > most) return std::nullopt;
  const std::vector<std::string> others = one_slip_away(word);
  for (const std::string& text : others) {
    if (auto own = models_own(text, AnswerKind::spelling, share)) return own;
  }
  constexpr float sure = 0.6f;
  constexpr std::size_t long_enough = 8;
  const bool is_long = decode_utf8(word).size() >= long_enough;
  const Languages languages = is_long ? ~Languages{0} : own_ | heard_ | english_;
  std::optional<Meaning> best_found;
  float most_worth = 0;
  for (const std::string& text : others) {
    auto found = best(text, sure, languages);
    if (!found || found->rows.empty() || found->sure * weight(found->languages) <= most_worth) continue;
    most_worth = found->sure * weight(found->languages);
    best_found = other(std::move(*found), AnswerKind::spelling, share);
  }
  return best_found;
}

/// "Kaffeetasse": two words that the lexicon is sure of, perhaps with a letter between them; the longest last one
/// counts. "Gummistiefel": where nobody knows the first, the last says what kind of thing it is.
std::vector<Meaning> Interpreter::compound(const std::string& word) {
  constexpr std::size_t least_part = 3, least_head = 5;
  constexpr float head_alone = 0.6f;
  std::vector<Meaning> head;
  const auto compounding = [this] {
    Languages languages = 0;
    for (const char* name : {"de", "nl", "sv", "da", "nb", "fi", "hu", "et"}) languages |= lexicon_.language_of(name);
    return languages;
  };
  const std::size_t size = decode_utf8(word).size();
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
    // A short end of a long word is there by chance.
    const bool is_head = size - k >= least_head && k <= size - k + 1;
    if (head.empty() && is_head && (last->languages & compounding()) && !last->rows.empty()) {
      head.push_back(other(*last, AnswerKind::form, head_alone));
    }
  }
  return head;
}

/// "teddybear", "lawnmower": a word of the model after one that it or the lexicon has; the longest first one counts.
std::vector<Meaning> Interpreter::ends_in_known(const std::string& word) {
  constexpr std::size_t least_part = 3;
  constexpr float sure = 0.5f;
  const auto known = [&](const std::string& part) { return models_own(part, AnswerKind::form, sure); };
  const bool is_word = lexicon_.has_key(word);  // "mongoose" is no goose
  for (std::size_t at = word.size(); at-- > least_part;) {
    if (word.size() - at < least_part) continue;
    const std::string beginning = word.substr(0, at);
    auto last = known(word.substr(at));
    if (!last) continue;
    if (auto first = known(beginning)) return {std::move(*first), std::move(*last)};
    // What the lexicon guesses of a beginning would only blur what the end says.
    if (!is_word && is_english(beginning)) return {std::move(*last)};
  }
  return {};
}

/// Words without blanks between them: from the left, the longest that is one.
std::vector<std::string> Interpreter::parts_of(const std::string& word,
                                               const std::function<bool(const std::string&)>& is_one) {
  constexpr std::size_t longest = 8, most = 64;  // code points of a word; words that are looked at
  std::vector<std::string> found;
  std::size_t looked_at = 0;
  for (std::size_t at = 0; at < word.size() && ++looked_at <= most;) {
    std::vector<std::size_t> ends;
    for (std::size_t end = at; ends.size() < longest && end < word.size();)
      ends.push_back(end = next_code_point(word, end));
    std::size_t next = ends.front();
    for (; !ends.empty(); ends.pop_back()) {
      std::string part = word.substr(at, ends.back() - at);
      if (!is_one(part)) continue;
      next = ends.back();
      found.push_back(std::move(part));
      break;
    }
    at = next;
  }
  return found;
}

std::vector<Meaning> Interpreter::segments(const std::string& word) {
  std::vector<Meaning> found;
  for (const std::string& part : parts_of(word, [this](const auto& text) { return meaning(text).has_value(); })) {
    if (auto of_part = meaning(part); !of_part->rows.empty()) found.push_back(std::move(*of_part));
  }
  return found;
}

std::vector<Meaning> Interpreter::taken_apart(const std::string& word) {
  constexpr std::size_t longest = 64;  // every beginning and every end is looked up, and kept
  if (has_no_blanks(word)) return segments(word);
  if (word.find(':') != std::string::npos || decode_utf8(word).size() > longest) return {};
  if (auto single = plural(word)) return {std::move(*single)};
  if (auto plain = without_accents(word)) return {std::move(*plain)};
  // An English word for which nothing can be painted is no other language's: a quilt has nothing to do with ninepins.
  if (is_english(word)) return ends_in_known(word);
  if (auto form = other_form(word)) return {std::move(*form)};
  if (auto parts = compound(word); !parts.empty()) return parts;
  if (auto right = misspelt(word)) return {std::move(*right)};
  return ends_in_known(word);
}

}  // namespace dit
