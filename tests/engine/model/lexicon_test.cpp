// SPDX-License-Identifier: MIT
// The lexicon's file, read in place: the one that ships, and small ones of the fuzzers' corpus.
#include "engine/model/prompts/lexicon.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <string>

#include "engine/error.h"
#include "engine/model/prompts/pieces.h"

namespace dit {
namespace {

const std::string source = DIT_SOURCE_DIR;

TEST(Lexicon, EveryKeyOfAFileIsFound) {
  const auto small = Lexicon::open(source + "/tests/fuzz/corpus/lexicon/plain.bin");
  EXPECT_EQ(small->size(), 3u);
  EXPECT_EQ(small->languages(), (std::vector<std::string>{"en", "de"}));
  const auto answers = small->find("katze");
  ASSERT_EQ(answers.size(), 1u);
  EXPECT_EQ(answers[0].concept_text, "cat");
  EXPECT_EQ(answers[0].languages, 2u);
  EXPECT_EQ(answers[0].kind, AnswerKind::keyword);
  EXPECT_NEAR(answers[0].sure, 200 / 255.0, 1e-6);
  EXPECT_EQ(small->find("🍕").at(0).languages, Lexicon::emoji_language);
  for (const char* none : {"", "kaffe", "kaffeee", "katz", "zzz", "🍔"}) EXPECT_TRUE(small->find(none).empty()) << none;
  EXPECT_EQ(small->around("kat", 2), (std::vector<std::string>{"kaffee", "katze", "🍕"}));
  EXPECT_TRUE(small->has_prefix("kat"));
  EXPECT_FALSE(small->has_prefix("kb"));
}

TEST(Lexicon, KeysOfTheShippedOneAreInOrder) {
  const auto shipped = Lexicon::open(source + "/models/lexicon.bin");
  EXPECT_GT(shipped->size(), 200000u);
  EXPECT_LE(std::filesystem::file_size(source + "/models/lexicon.bin"), std::uintmax_t{12} << 20);
  EXPECT_EQ(shipped->languages().size(), 42u);
  for (const char* key : {"kaffee", "кошка", "犬", "🚀", "\U0001F469‍\U0001F680", "puppy", "und"}) {
    const auto around = shipped->around(key, 20);
    EXPECT_TRUE(std::ranges::is_sorted(around)) << key;
    EXPECT_FALSE(shipped->find(key).empty()) << key;
    EXPECT_TRUE(shipped->has_prefix(key)) << key;
  }
}

TEST(Lexicon, LocalesAreLanguages) {
  const auto shipped = Lexicon::open(source + "/models/lexicon.bin");
  const auto bit = [&](const char* name) {
    const auto& all = shipped->languages();
    return Languages{1} << (std::ranges::find(all, name) - all.begin());
  };
  EXPECT_EQ(shipped->language_of("de_AT.UTF-8@euro"), bit("de"));
  EXPECT_EQ(shipped->language_of("en_GB"), bit("en-gb"));
  EXPECT_EQ(shipped->language_of("zh_TW.UTF-8"), bit("zh-hant"));
  EXPECT_EQ(shipped->language_of("nn_NO"), bit("nb"));
  EXPECT_EQ(shipped->language_of("C"), 0u);
  EXPECT_EQ(shipped->language_of(""), 0u);
}

TEST(Lexicon, BrokenFilesAreRefusedByName) {
  for (const char* name : {"languages-huge", "block-zero", "count-huge"}) {
    try {
      Lexicon::open(source + "/tests/fuzz/corpus/lexicon/" + name + ".bin");
      ADD_FAILURE() << name;
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::wrong_format);
      EXPECT_NE(std::string(error.what()).find(name), std::string::npos);
    }
  }
  for (const char* name : {"shared-too-much", "concept-huge", "set-huge", "kind-huge"}) {
    const auto broken = Lexicon::open(source + "/tests/fuzz/corpus/lexicon/" + name + ".bin");
    EXPECT_THROW(broken->find("a"), Error) << name;
  }
  EXPECT_THROW(Lexicon::open(source + "/tests/fuzz/corpus/lexicon/offsets-backwards.bin")->find("kaffee"), Error);
}

TEST(Lexicon, HolesOfAFileAreNotRead) {
  const std::filesystem::path file = std::filesystem::path(testing::TempDir()) / "holes.bin";
  std::filesystem::copy_file(source + "/tests/fuzz/corpus/lexicon/plain.bin", file,
                             std::filesystem::copy_options::overwrite_existing);
  std::filesystem::resize_file(file, std::uintmax_t{1} << 40);
  try {
    Lexicon::open(file);
    ADD_FAILURE();
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("expected at most"), std::string::npos) << error.what();
  }
  std::filesystem::remove(file);
}

using Kind = Piece::Kind;

TEST(Pieces, WordsEmojiAndQuotedLettersAreTold) {
  EXPECT_EQ(split_pieces("Red fox"), (std::vector<Piece>{{Kind::word, "red"}, {Kind::word, "fox"}}));
  EXPECT_EQ(split_pieces("a\U0001F44D\U0001F3FD!"), (std::vector<Piece>{{Kind::word, "a"}, {Kind::pictures, "👍"}}));
  EXPECT_EQ(split_pieces("\U0001F469\U0001F3FB\u200D\U0001F680"),
            (std::vector<Piece>{{Kind::pictures, "\U0001F469\u200D\U0001F680"}}));
  EXPECT_EQ(split_pieces("5\uFE0F\u20E3"), (std::vector<Piece>{{Kind::pictures, "5\u20E3"}}));
  EXPECT_EQ(split_pieces("\"B\" „x“ 'c'"),
            (std::vector<Piece>{{Kind::letter, "b"}, {Kind::letter, "x"}, {Kind::word, "c"}}));
  EXPECT_EQ(split_pieces("\"BC\""), (std::vector<Piece>{{Kind::word, "bc"}}));
  EXPECT_TRUE(split_pieces("").empty());
}

}  // namespace
}  // namespace dit
