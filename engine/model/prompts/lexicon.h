// SPDX-License-Identifier: MIT
// Words for what prompts say and no model has a word for: emoji, 42 lists of languages' words, English ones.
// training/lexicon.py makes the file. It is read in place, key by key; what it says is checked where it is read.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace dit {

/// How an answer was found. The values are those of the file.
enum class AnswerKind : std::uint8_t {
  stop,
  emoji,
  label,
  keyword,
  form,
  synonym,
  broader,
  narrower,
  related,
  near,
  own,
  spelling,  ///< never in a file: a word that is not there, one letter away from one that is
  absent,    ///< likewise: what a prompt says is not there ("without wheels")
};

/// A set of the lexicon's languages, bit i: language i.
using Languages = std::uint64_t;

/// "name", "keyword", "broader word"… for people.
const char* name_of(AnswerKind kind);

/// One thing that a key may mean.
struct Answer {
  Languages languages = 0;  ///< or `emoji_language` alone: an emoji, of all languages
  AnswerKind kind = AnswerKind::stop;
  float sure = 0;                 ///< 0 … 1
  std::string_view concept_text;  ///< words that a model may have, with blanks between them; empty for a stop word
};

/// thread  any
class Lexicon {
 public:
  static constexpr Languages emoji_language = Languages{1} << 63;

  /// errors  not_found, unreadable, wrong_format
  static std::shared_ptr<const Lexicon> open(const std::filesystem::path& path);
  /// Reads from bytes that `keeper` keeps. name: for messages. errors  wrong_format
  static std::shared_ptr<const Lexicon> parse(std::span<const std::byte> bytes, std::string name,
                                              std::shared_ptr<const void> keeper);

  /// What a key means, surest first; nothing if it is not there. A key is an emoji without variation selectors and skin
  /// tones, or words as fold_text() makes them with single blanks between them. errors  wrong_format
  std::vector<Answer> find(std::string_view key) const;
  bool has_key(std::string_view key) const { return !find(key).empty(); }
  /// Up to `count` keys before and as many from `key` on, by bytes. errors  wrong_format
  std::vector<std::string> around(std::string_view key, std::size_t count) const;
  /// Whether a key begins so. errors  wrong_format
  bool has_prefix(std::string_view prefix) const;

  const std::vector<std::string>& languages() const noexcept { return languages_; }
  std::uint32_t size() const noexcept { return keys_; }
  /// The bit of a locale's language ("de_AT.UTF-8": that of "de"); 0 if there is none.
  Languages language_of(std::string_view locale) const;

 private:
  struct Entry {
    std::string key;
    std::span<const std::byte> answers;  ///< as the file has them
  };
  Lexicon() = default;
  void read_header();
  std::span<const std::byte> part(std::uint64_t at, std::uint64_t size) const;
  std::uint32_t u32(std::uint64_t at) const;
  Languages set(std::uint32_t i) const;
  std::span<const std::byte> listed(std::uint64_t offsets, std::uint32_t count, std::uint32_t i) const;
  std::string_view first_key(std::uint32_t block) const;
  std::uint32_t block_of(std::string_view key) const;
  std::vector<Entry> entries_of(std::uint32_t block) const;
  Answer answer(std::span<const std::byte> bytes) const;

  std::span<const std::byte> bytes_;
  std::string name_;
  std::shared_ptr<const void> keeper_;
  std::vector<std::string> languages_;
  std::uint32_t keys_ = 0, keys_a_block_ = 0, concepts_ = 0, sets_ = 0, blocks_ = 0;
  std::uint64_t sets_at_ = 0, concepts_at_ = 0, blocks_at_ = 0;
};

}  // namespace dit
