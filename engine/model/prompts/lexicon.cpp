// SPDX-License-Identifier: MIT
#include "engine/model/prompts/lexicon.h"

#include <algorithm>
#include <array>
#include <utility>

#include "engine/error.h"
#include "engine/files/file_bytes.h"

namespace dit {
namespace {

constexpr std::string_view magic = "DITLEX2\n";
constexpr std::size_t header_bytes = 32, language_bytes = 8, set_bytes = 8, answer_bytes = 6;
constexpr std::size_t most_bytes = std::size_t{1} << 28;  // thirty times ours; a file with holes may say terabytes
constexpr std::uint32_t most_languages = 63, most_keys_a_block = 256, no_concept = 0xffff;

std::string_view text_of(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

std::uint16_t u16_of(std::span<const std::byte> bytes) {
  return static_cast<std::uint16_t>(std::to_integer<unsigned>(bytes[0]) | std::to_integer<unsigned>(bytes[1]) << 8);
}

}  // namespace

const char* name_of(AnswerKind kind) {
  constexpr std::array names = {"stop word", "emoji",        "name",          "keyword",      "form",
                                "synonym",   "broader word", "narrower word", "related word", "near word",
                                "our list",  "spelling",     "left out"};
  return names.at(static_cast<std::size_t>(kind));
}

std::shared_ptr<const Lexicon> Lexicon::open(const std::filesystem::path& path) {
  auto file = FileBytes::open(path, "lexicon");
  const std::span<const std::byte> bytes = file->room();
  expect(bytes.size() <= most_bytes, ErrorKind::wrong_format, "lexicon '{}': expected at most {} bytes, found {}",
         path.string(), most_bytes, bytes.size());
  file->read(bytes);
  return parse(bytes, path.string(), std::move(file));
}

std::shared_ptr<const Lexicon> Lexicon::parse(std::span<const std::byte> bytes, std::string name,
                                              std::shared_ptr<const void> keeper) {
  std::shared_ptr<Lexicon> lexicon(new Lexicon);
  lexicon->bytes_ = bytes;
  lexicon->name_ = std::move(name);
  lexicon->keeper_ = std::move(keeper);
  lexicon->read_header();
  return lexicon;
}

void Lexicon::read_header() {
  expect(bytes_.size() >= header_bytes && text_of(bytes_.first(magic.size())) == magic, ErrorKind::wrong_format,
         "lexicon '{}': expected it to begin with DITLEX2", name_);
  keys_ = u32(8);
  keys_a_block_ = u32(12);
  concepts_ = u32(16);
  const std::uint32_t languages = u32(20);
  sets_ = u32(24);
  const std::uint32_t concept_bytes = u32(28);
  expect(languages <= most_languages, ErrorKind::wrong_format, "lexicon '{}': expected at most {} languages, found {}",
         name_, most_languages, languages);
  expect(keys_a_block_ > 0 && keys_a_block_ <= most_keys_a_block, ErrorKind::wrong_format,
         "lexicon '{}': expected 1 to {} keys a block, found {}", name_, most_keys_a_block, keys_a_block_);
  for (std::uint32_t i = 0; i < languages; ++i) {
    const std::string_view code = text_of(part(header_bytes + std::uint64_t{language_bytes} * i, language_bytes));
    languages_.emplace_back(code.substr(0, code.find('\0')));
  }
  blocks_ = static_cast<std::uint32_t>((std::uint64_t{keys_} + keys_a_block_ - 1) / keys_a_block_);
  sets_at_ = header_bytes + std::uint64_t{language_bytes} * languages;
  concepts_at_ = sets_at_ + std::uint64_t{set_bytes} * sets_;
  blocks_at_ = concepts_at_ + concept_bytes;
  // What does not fit here is found now; offsets are looked at where they are used.
  (void)part(concepts_at_, std::uint64_t{4} * concepts_ + 4);
  (void)part(blocks_at_, std::uint64_t{4} * blocks_ + 4);
}

std::span<const std::byte> Lexicon::part(std::uint64_t at, std::uint64_t size) const {
  expect(at <= bytes_.size() && size <= bytes_.size() - at, ErrorKind::wrong_format,
         "lexicon '{}': expected {} bytes at {}, the file has {}", name_, size, at, bytes_.size());
  return bytes_.subspan(static_cast<std::size_t>(at), static_cast<std::size_t>(size));
}

std::uint32_t Lexicon::u32(std::uint64_t at) const {
  const auto bytes = part(at, 4);
  return u16_of(bytes) | static_cast<std::uint32_t>(u16_of(bytes.subspan(2))) << 16;
}

Languages Lexicon::set(std::uint32_t i) const {
  const std::uint64_t at = sets_at_ + std::uint64_t{set_bytes} * i;
  return u32(at) | Languages{u32(at + 4)} << 32;
}

/// Part i of a list that begins with its offsets: count + 1 of them, counted from behind the last.
std::span<const std::byte> Lexicon::listed(std::uint64_t offsets, std::uint32_t count, std::uint32_t i) const {
  expect(i < count, ErrorKind::wrong_format, "lexicon '{}': expected one of {} entries, found {}", name_, count, i);
  const std::uint32_t begin = u32(offsets + std::uint64_t{4} * i), end = u32(offsets + std::uint64_t{4} * i + 4);
  expect(begin <= end, ErrorKind::wrong_format, "lexicon '{}': entry {} ends at {} before it begins at {}", name_, i,
         end, begin);
  return part(offsets + std::uint64_t{4} * count + 4 + begin, end - begin);
}

std::string_view Lexicon::first_key(std::uint32_t block) const {
  const auto bytes = listed(blocks_at_, blocks_, block);
  const std::size_t size = bytes.size() < 2 ? 0 : std::to_integer<std::size_t>(bytes[1]);
  expect(bytes.size() >= 2 + size, ErrorKind::wrong_format, "lexicon '{}': block {} is cut off", name_, block);
  return text_of(bytes.subspan(2, size));
}

/// The last block whose first key is not after this one; the first if there is none.
std::uint32_t Lexicon::block_of(std::string_view key) const {
  std::uint32_t low = 0, high = blocks_;
  while (high - low > 1) {
    const std::uint32_t middle = low + (high - low) / 2;
    (first_key(middle) <= key ? low : high) = middle;
  }
  return low;
}

std::vector<Lexicon::Entry> Lexicon::entries_of(std::uint32_t block) const {
  std::vector<Entry> entries;
  auto remaining = listed(blocks_at_, blocks_, block);
  const auto take = [&](std::size_t size) {
    expect(size <= remaining.size(), ErrorKind::wrong_format, "lexicon '{}': block {} is cut off", name_, block);
    const auto taken = remaining.first(size);
    remaining = remaining.subspan(size);
    return taken;
  };
  std::string before;
  while (!remaining.empty() && entries.size() < keys_a_block_) {
    const auto lengths = take(2);
    const auto shared = std::to_integer<std::size_t>(lengths[0]);
    expect(shared <= before.size(), ErrorKind::wrong_format, "lexicon '{}': block {}: a key shares more than there is",
           name_, block);
    before.resize(shared);
    before += text_of(take(std::to_integer<std::size_t>(lengths[1])));
    const auto answers = std::to_integer<std::size_t>(take(1)[0]);
    entries.push_back({before, take(answers * answer_bytes)});
  }
  return entries;
}

Answer Lexicon::answer(std::span<const std::byte> bytes) const {
  const std::uint32_t set = u16_of(bytes), number = u16_of(bytes.subspan(2));
  const auto kind = std::to_integer<std::uint8_t>(bytes[5]);
  expect(set < sets_ && kind <= static_cast<std::uint8_t>(AnswerKind::own), ErrorKind::wrong_format,
         "lexicon '{}': an answer of set {} and kind {}", name_, set, kind);
  Answer found = {.languages = this->set(set),
                  .kind = static_cast<AnswerKind>(kind),
                  .sure = static_cast<float>(std::to_integer<unsigned>(bytes[4])) / 255.0f,
                  .concept_text = {}};
  if (number != no_concept) found.concept_text = text_of(listed(concepts_at_, concepts_, number));
  return found;
}

std::vector<Answer> Lexicon::find(std::string_view key) const {
  std::vector<Answer> found;
  if (blocks_ == 0) return found;
  for (const Entry& entry : entries_of(block_of(key))) {
    if (entry.key != key) continue;
    for (std::size_t at = 0; at < entry.answers.size(); at += answer_bytes) {
      found.push_back(answer(entry.answers.subspan(at, answer_bytes)));
    }
  }
  return found;
}

std::vector<std::string> Lexicon::around(std::string_view key, std::size_t count) const {
  std::vector<std::string> before, after;
  if (blocks_ == 0) return before;
  const std::uint32_t middle = block_of(key), last = std::min(middle + 1, blocks_ - 1);
  for (std::uint32_t block = middle > 0 ? middle - 1 : 0; block <= last; ++block) {
    for (Entry& entry : entries_of(block)) (entry.key < key ? before : after).push_back(std::move(entry.key));
  }
  std::vector<std::string> found(before.end() - static_cast<std::ptrdiff_t>(std::min(count, before.size())),
                                 before.end());
  found.insert(found.end(), after.begin(), after.begin() + static_cast<std::ptrdiff_t>(std::min(count, after.size())));
  return found;
}

bool Lexicon::has_prefix(std::string_view prefix) const {
  if (blocks_ == 0) return false;
  const std::uint32_t block = block_of(prefix);
  for (const Entry& entry : entries_of(block)) {
    if (entry.key.starts_with(prefix)) return true;
    if (entry.key > prefix) return false;
  }
  return block + 1 < blocks_ && first_key(block + 1).starts_with(prefix);
}

Languages Lexicon::language_of(std::string_view locale) const {
  std::string wanted(locale.substr(0, locale.find_first_of(".@")));
  std::ranges::transform(wanted, wanted.begin(), [](unsigned char c) {
    return static_cast<char>(c == '_' ? '-' : c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c);
  });
  // What emojibase calls otherwise: Norwegian, and the Chinese of places that write it traditionally.
  if (wanted == "no" || wanted.starts_with("no-") || wanted.starts_with("nn")) wanted = "nb";
  if (wanted == "iw" || wanted == "in") wanted = wanted == "iw" ? "he" : "id";  // their codes of old
  if (wanted == "zh-tw" || wanted == "zh-hk" || wanted == "zh-mo") wanted = "zh-hant";
  for (const std::string& name : {wanted, wanted.substr(0, wanted.find('-'))}) {
    const auto found = std::ranges::find(languages_, name);
    if (found != languages_.end()) return Languages{1} << (found - languages_.begin());
  }
  return 0;
}

}  // namespace dit
