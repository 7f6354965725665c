// SPDX-License-Identifier: MIT
#include "engine/model/prompts/prompt.h"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <span>
#include <system_error>
#include <unordered_set>
#include <utility>
#include <vector>

#include "engine/error.h"
#include "engine/model/prompts/interpreter.h"
#include "engine/model/prompts/pieces.h"
#include "engine/model/text.h"
#include "engine/model/word_index.h"

namespace dit {
namespace {

constexpr std::size_t most_words_of_a_key = 4;
// Unknown words that are taken apart where the lexicon has not the whole: that costs ten times a look-up.
constexpr std::size_t most_taken_apart = 64;

/// How many pieces say a letter that the model can paint as such ("A" in quotes, "letter a", "digit 7"); 0 if none do.
std::size_t letter_pieces(const WordIndex& index, const std::vector<Piece>& pieces, std::size_t at) {
  constexpr std::array<std::string_view, 4> names = {"letter", "digit", "number", "character"};
  const auto is_letter = [&](const Piece& piece) { return !index.rows("l:" + piece.text).empty(); };
  if (pieces[at].kind == Piece::Kind::letter) return is_letter(pieces[at]) ? 1 : 0;
  const bool named = pieces[at].kind == Piece::Kind::word && std::ranges::find(names, pieces[at].text) != names.end();
  return named && at + 1 < pieces.size() && is_letter(pieces[at + 1]) ? 2 : 0;
}

/// Whether the model's file says that icons of this word are seldom recognised.
bool is_badly_known(const ModelConfig& config, const std::vector<std::uint32_t>& rows) {
  constexpr float badly = 0.25f;
  return !config.good.empty() && !rows.empty() && config.goodness(rows.front()) < badly;
}

/// One prompt, read with the lexicon's help.
class Interpretation {
 public:
  Interpretation(const ModelConfig& config, const WordIndex& index, const Lexicon& lexicon,
                 const std::atomic<bool>& cancel)
      : config_(config),
        index_(index),
        interpreter_(lexicon, config, index, config.lexicon->locale()),
        cancel_(cancel) {}

  Label read(std::vector<Piece> pieces, std::uint32_t style);

 private:
  void add(const std::vector<std::uint32_t>& rows);
  void add(const std::string& typed, const Meaning& meaning);
  void add_word(const std::string& word);
  void add_pictures(const std::string& text);
  bool is_clear(const Meaning& meaning) const;
  bool says_less_than(const Meaning& meaning, std::span<const Piece> words) const;
  void add_ignored_things();
  std::size_t add_several(const std::vector<Piece>& pieces, std::size_t at);
  std::size_t add_letter(const std::vector<Piece>& pieces, std::size_t at);
  std::size_t leave_out(const std::vector<Piece>& pieces, std::size_t at);
  bool is_known(const Piece& piece) const { return !index_.rows(piece.text).empty(); }

  const ModelConfig& config_;
  const WordIndex& index_;
  Interpreter interpreter_;
  const std::atomic<bool>& cancel_;
  Label label_;
  std::unordered_set<std::uint32_t> taken_;
  std::unordered_set<std::string> seen_;
  std::unordered_set<std::string> said_;  ///< what readings and unknown words have
  std::vector<std::string> ignored_;
  std::size_t taken_apart_ = 0;
  std::size_t words_ = 0;  ///< pieces of the prompt
  std::size_t known_ = 0;  ///< of these, words of the model
};

void Interpretation::add(const std::vector<std::uint32_t>& rows) {
  for (const std::uint32_t row : rows) {
    if (taken_.insert(row).second) label_.words.push_back(row);
  }
}

void Interpretation::add(const std::string& typed, const Meaning& meaning) {
  add(meaning.rows);
  if (meaning.rows.empty()) return;  // a stop word says nothing, and nothing is said of it
  if (!said_.insert(typed).second) return;
  label_.readings.push_back({typed, meaning.painted, interpreter_.explain(meaning), meaning.sure});
}

/// Whether a word is painted beside others. In a prompt of several words a guess would only blur what the others say;
/// so would another language's where most words are the model's ("double decker bus").
bool Interpretation::is_clear(const Meaning& meaning) const {
  constexpr float guess = 0.45f;
  if (words_ < 2) return true;
  if (meaning.kind == AnswerKind::form) return 2 * known_ <= words_ || interpreter_.is_expected(meaning);
  return (meaning.kind != AnswerKind::near && meaning.kind != AnswerKind::related) || meaning.sure >= guess;
}

void Interpretation::add_word(const std::string& word) {
  if (const auto& rows = index_.rows(word); !rows.empty()) {
    auto other = interpreter_.foreign(word);
    if (!other && is_badly_known(config_, rows)) other = interpreter_.better(word, rows.front());
    other ? add(word, *other) : add(rows);
    return;
  }
  const auto meaning = interpreter_.meaning(word);
  if (meaning && is_clear(*meaning)) {
    add(word, *meaning);
    if (meaning->rows.empty()) ignored_.push_back(word);
    return;
  }
  std::vector<Meaning> parts;
  if (++taken_apart_ <= most_taken_apart && !meaning) parts = interpreter_.taken_apart(word);
  if (parts.empty()) {
    label_.unknown.push_back(word);
    label_.meant.push_back(taken_apart_ <= most_taken_apart ? interpreter_.near(word) : "");
    return;
  }
  for (std::size_t i = 1; i < parts.size(); ++i) {
    parts[0].rows.insert(parts[0].rows.end(), parts[i].rows.begin(), parts[i].rows.end());
    parts[0].painted += " " + parts[i].painted;
    parts[0].sure = std::min(parts[0].sure, parts[i].sure);
  }
  add(word, parts[0]);
}

void Interpretation::add_pictures(const std::string& text) {
  std::vector<std::string> unknown;
  for (const auto& [typed, meaning] : interpreter_.pictures(text, unknown)) {
    if (seen_.insert(typed).second || typed == text) add(typed, meaning);
  }
  for (std::string& picture : unknown) {
    if (!said_.insert(picture).second) continue;
    label_.unknown.push_back(std::move(picture));
    label_.meant.emplace_back();
  }
}

/// Whether an unsure answer for several words has none of them, though the model knows some: "telephone booth" is no
/// room.
bool Interpretation::says_less_than(const Meaning& meaning, std::span<const Piece> words) const {
  constexpr float unsure = 0.6f;
  const bool derived = meaning.kind >= AnswerKind::broader && meaning.kind <= AnswerKind::near;
  if (!derived || meaning.sure >= unsure) return false;
  const auto is_painted = [&](const Piece& word) {
    return std::ranges::any_of(index_.rows(word.text), [&](std::uint32_t row) {
      return std::ranges::find(meaning.rows, row) != meaning.rows.end();
    });
  };
  return std::ranges::any_of(words, [&](const Piece& word) { return is_known(word); }) &&
         std::ranges::none_of(words, is_painted);
}

/// Several words that the lexicon has as one, of which the model does not know all, or that our list has: a ride share
/// is neither a ride nor a share. Returns how many; 0 if none.
std::size_t Interpretation::add_several(const std::vector<Piece>& pieces, std::size_t at) {
  const auto is_word = [&](std::size_t i) { return i < pieces.size() && pieces[i].kind == Piece::Kind::word; };
  if (!is_word(at) || !is_word(at + 1) || !interpreter_.begins_several(pieces[at].text)) return 0;
  std::vector<std::string> keys = {pieces[at].text};
  std::size_t first_unknown = is_known(pieces[at]) ? most_words_of_a_key : 0;
  for (std::size_t n = 1; n < most_words_of_a_key && is_word(at + n); ++n) {
    keys.push_back(keys.back() + " " + pieces[at + n].text);
    if (!is_known(pieces[at + n])) first_unknown = std::min(first_unknown, n);
  }
  for (std::size_t n = keys.size(); n >= 2; --n) {
    const auto meaning = interpreter_.meaning(keys[n - 1]);
    if (!meaning || meaning->rows.empty() || (first_unknown >= n && meaning->kind != AnswerKind::own)) continue;
    const std::span words(pieces.data() + at, n);
    if (says_less_than(*meaning, words)) continue;
    add(keys[n - 1], *meaning);
    return n;
  }
  return 0;
}

/// A letter or digit that is to be painted as such: "A" in quotes, "letter a", "digit 7". Returns how many pieces.
std::size_t Interpretation::add_letter(const std::vector<Piece>& pieces, std::size_t at) {
  const std::size_t count = letter_pieces(index_, pieces, at);
  if (count > 0) add(index_.rows("l:" + pieces[at + count - 1].text));
  return count;
}

/// "without wheels": what a picture is said not to have, with its colours. Returns how many pieces.
std::size_t Interpretation::leave_out(const std::vector<Piece>& pieces, std::size_t at) {
  constexpr std::array<std::string_view, 18> without = {"without", "ohne", "sans",  "sin",  "senza",  "sem",
                                                        "sense",   "bez",  "без",   "brez", "zonder", "uden",
                                                        "uten",    "utan", "ilman", "fără", "fara",   "nélkül"};
  const bool says_so =
      pieces[at].kind == Piece::Kind::word && std::ranges::find(without, pieces[at].text) != without.end();
  if (!says_so || label_.words.empty() || at + 1 == pieces.size()) return 0;
  std::string typed = pieces[at].text;
  std::size_t last = at;
  for (bool is_thing = false; !is_thing && last + 1 < pieces.size();) {
    const std::string& word = pieces[++last].text;
    const auto& rows = index_.rows(word);
    const auto meant = rows.empty() ? interpreter_.meaning(word) : std::nullopt;
    const bool says_nothing = meant && meant->rows.empty();
    const std::uint32_t row = !rows.empty() ? rows.front() : meant && !says_nothing ? meant->rows.front() : 0;
    is_thing = !says_nothing && (row == 0 || !config_.words[row - 1].starts_with("c:"));
    typed += " " + word;
  }
  if (said_.insert(typed).second) label_.readings.push_back({typed, "nothing", name_of(AnswerKind::absent), 1});
  return last + 1 - at;
}

/// Lists of words that say nothing have some that do, where nothing else is said ("घर", a house).
void Interpretation::add_ignored_things() {
  for (const std::string& word : ignored_) {
    if (const auto thing = interpreter_.thing(word)) add(word, *thing);
  }
}

Label Interpretation::read(std::vector<Piece> pieces, std::uint32_t style) {
  label_.style = style;
  words_ = pieces.size();
  std::vector<std::string> unknown;
  for (const Piece& piece : pieces) {
    known_ += is_known(piece) ? 1 : 0;
    if (piece.kind == Piece::Kind::word && !is_known(piece)) unknown.push_back(piece.text);
  }
  interpreter_.listen(unknown);
  for (std::size_t at = 0; at < pieces.size();) {
    if (cancel_) throw Cancelled();
    std::size_t used = add_letter(pieces, at);
    if (used == 0) used = leave_out(pieces, at);
    if (used == 0) used = add_several(pieces, at);
    if (used == 0) {
      if (seen_.insert(pieces[at].text).second) {
        pieces[at].kind == Piece::Kind::pictures ? add_pictures(pieces[at].text) : add_word(pieces[at].text);
      }
      used = 1;
    }
    at += used;
  }
  if (label_.words.empty() && label_.unknown.empty()) add_ignored_things();
  if (label_.words.empty() && label_.unknown.empty()) {
    label_.meant.resize(ignored_.size());
    label_.unknown = std::move(ignored_);
  }
  return std::move(label_);
}

}  // namespace

std::string environment_locale() {
  for (const char* name : {"LANGUAGE", "LC_ALL", "LC_MESSAGES", "LANG"}) {
    const char* value = std::getenv(name);
    if (value == nullptr || *value == '\0') continue;
    const std::string_view text = value;
    return std::string(text.substr(0, text.find(':')));
  }
  return "en";
}

std::vector<std::filesystem::path> lexicon_places(const std::filesystem::path& weights,
                                                  const std::filesystem::path& installed) {
  if (const char* set = std::getenv("DIT_LEXICON"); set != nullptr && *set != '\0') {
    std::error_code error;
    expect(std::filesystem::exists(set, error), ErrorKind::not_found,
           "lexicon '{}': $DIT_LEXICON names it, and it is not there", set);
    return {set};
  }
  std::vector<std::filesystem::path> places = {weights.parent_path() / "lexicon.bin"};
  if (!installed.empty()) places.push_back(installed);
  return places;
}

LexiconFile::LexiconFile(std::vector<std::filesystem::path> places, std::string locale)
    : places_(std::move(places)), locale_(std::move(locale)) {}

std::shared_ptr<const Lexicon> LexiconFile::open() const {
  const std::lock_guard lock(mutex_);
  if (opened_) return lexicon_;
  std::error_code ignored;
  const auto place =
      std::ranges::find_if(places_, [&](const auto& path) { return std::filesystem::exists(path, ignored); });
  if (place != places_.end()) lexicon_ = Lexicon::open(*place);
  opened_ = true;
  return lexicon_;
}

Label read_prompt(const ModelConfig& config, std::string_view prompt, std::string_view style, bool strict,
                  const std::atomic<bool>& cancel) {
  if (strict || !config.lexicon || !config.has_words || prompt.size() > most_prompt_bytes) {
    return parse_label(config, prompt, style, cancel);
  }
  const auto index = index_of(config);
  std::vector<Piece> pieces = split_pieces(prompt);
  bool known = true;
  for (std::size_t at = 0; at < pieces.size() && known; ++at) {
    const auto& rows = index->rows(pieces[at].text);
    known = pieces[at].kind != Piece::Kind::pictures && !rows.empty() && !is_badly_known(config, rows) &&
            letter_pieces(*index, pieces, at) == 0;
  }
  const auto lexicon = known ? nullptr : config.lexicon->open();
  if (!lexicon) return parse_label(config, prompt, style, cancel);
  Label label = Interpretation(config, *index, *lexicon, cancel).read(std::move(pieces), style_row(config, style));
  refuse_unknown(config, prompt, label);
  return label;
}

std::string describe_readings(const Label& label) {
  constexpr std::size_t most = 8;
  std::string text;
  for (std::size_t i = 0; i < std::min(most, label.readings.size()); ++i) {
    const Reading& reading = label.readings[i];
    text +=
        fmt::format("{}{} → {} ({})", text.empty() ? "" : ", ", shorten(reading.typed), reading.painted, reading.how);
  }
  if (label.readings.size() > most) text += fmt::format(", and {} more", label.readings.size() - most);
  return text;
}

}  // namespace dit
