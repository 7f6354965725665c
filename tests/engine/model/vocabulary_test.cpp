// SPDX-License-Identifier: MIT
#include "engine/model/vocabulary.h"

#include <gtest/gtest.h>

#include <atomic>
#include <string>

#include "engine/error.h"

namespace dit {
namespace {

ModelConfig config() {
  ModelConfig c;
  c.name = "zoo";
  c.words = {"red", "fox", "c:red", "box", "o'clock"};
  c.styles = {"flat", "gloss"};
  c.aliases = {{"scarlet", {"red", "c:red"}}, {"vixen", {"fox"}}, {"ghost", {"spectre"}}};
  return c;
}

using Rows = std::vector<std::uint32_t>;

TEST(Vocabulary, LooksUpWordsInAnyCaseAndPunctuation) {
  EXPECT_EQ(parse_label(config(), "Red, FOX!", "").words, (Rows{1, 2}));
  EXPECT_EQ(parse_label(config(), "  red\tfox\n", "gloss").style, 1u);
  EXPECT_EQ(parse_label(config(), "c:red", "").words, (Rows{3}));
  EXPECT_EQ(parse_label(config(), "red: fox-box; :c:red:", "").words, (Rows{1, 2, 4, 3}));
  EXPECT_TRUE(parse_label(config(), " : :: ", "").words.empty());
}

TEST(Vocabulary, AliasesStandForTheirWordsOnce) {
  EXPECT_EQ(parse_label(config(), "scarlet vixen", "").words, (Rows{1, 3, 2}));
  EXPECT_EQ(parse_label(config(), "red scarlet fox fox", "").words, (Rows{1, 3, 2}));
}

TEST(Vocabulary, EmptyPromptAndStyleAreTheNullLabel) {
  const Label label = parse_label(config(), " ,.- ", "");
  EXPECT_TRUE(label.words.empty());
  EXPECT_EQ(label.style, 2u);
}

TEST(Vocabulary, UnknownWordsAreReportedWithTheirNearest) {
  const Label label = parse_label(config(), "red foxx", "");
  EXPECT_EQ(label.words, (Rows{1}));
  ASSERT_EQ(label.unknown, (std::vector<std::string>{"foxx"}));
  EXPECT_EQ(describe_unknown(config(), label), "no word 'foxx' in model zoo; nearest: fox, box, ghost");
  EXPECT_EQ(describe_unknown(config(), parse_label(config(), "red", "")), "");
}

TEST(Vocabulary, AliasWithoutKnownWordIsUnknown) {
  EXPECT_EQ(parse_label(config(), "fox ghost", "").unknown, (std::vector<std::string>{"ghost"}));
}

TEST(Vocabulary, NoKnownWordOrStyleIsAnError) {
  const auto error_of = [](const char* prompt, const char* style) -> std::string {
    try {
      parse_label(config(), prompt, style);
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::settings);
      return error.what();
    }
    return "no error";
  };
  EXPECT_NE(error_of("fx", "").find("nearest: fox"), std::string::npos);
  EXPECT_NE(error_of("fox", "matte").find("it knows flat, gloss"), std::string::npos);
  EXPECT_EQ(error_of("日本", ""), "prompt '日本': no word '日本' in model " + config().name + ", nor one like it");
}

TEST(Vocabulary, APromptAsLongAsAFileIsRefused) {
  try {
    parse_label(config(), std::string(1 << 20, 'z'), "");
    ADD_FAILURE() << "taken";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::settings);
    EXPECT_EQ(std::string(error.what()),
              "prompt '" + std::string(80, 'z') + "...': expected at most 131072 bytes, found 1048576");
  }
}

TEST(Vocabulary, EachUnknownWordIsSaidOnceAndTheFirstThreeByName) {
  const Label label = parse_label(config(), "red qa qb QA qb qc qd qe", "");
  EXPECT_EQ(label.unknown, (std::vector<std::string>{"qa", "qb", "qc", "qd", "qe"}));
  const std::string text = describe_unknown(config(), label);
  EXPECT_NE(text.find("'qc'"), std::string::npos);
  EXPECT_EQ(text.find("'qd'"), std::string::npos);
  EXPECT_TRUE(text.ends_with("; and 2 more unknown words")) << text;
}

TEST(Vocabulary, PromptsCanBeCancelled) {
  const std::atomic<bool> cancel{true};
  EXPECT_THROW(parse_label(config(), "red fox", "", cancel), Cancelled);
}

/// The words of a file mean what they meant before, and are found however they are written.
TEST(Vocabulary, TablesAreFoldedLikePrompts) {
  ModelConfig c;
  c.name = "zoo";
  c.words = {"Fuchs", "fuchs", "\u00c9cole", "Straße", "I"};
  c.styles = {"Flat-UI", "flat-ui"};
  c.aliases = {{"ＶＩＸＥＮ", {"Fuchs"}}};
  EXPECT_EQ(parse_label(c, "FUCHS", "").words, Rows{2});
  EXPECT_EQ(parse_label(c, "e\u0301cole strasse i", "").words, (Rows{3, 4, 5}));
  EXPECT_EQ(parse_label(c, "vixen", "").words, Rows{1});
  EXPECT_EQ(parse_label(c, "", "flat-ui").style, 1u);
  EXPECT_EQ(parse_label(c, "", "Flat-UI").style, 0u);
  EXPECT_EQ(parse_label(c, "", " FLAT\u2011ui").style, 0u);
}

TEST(Vocabulary, NearestIsTheDistanceInCharacters) {
  ModelConfig c;
  c.words = {"ab", "日本x", "abcdef", "b", "a", "abc"};
  EXPECT_EQ(nearest_words(c, "日本", 1), std::vector<std::string>{"日本x"});
  EXPECT_EQ(nearest_words(c, "ab", 4), (std::vector<std::string>{"ab", "a", "abc", "b"}));
  EXPECT_EQ(nearest_words(c, "azzzzzzzzz", 2), (std::vector<std::string>{"a", "ab"}));
  EXPECT_EQ(nearest_words(c, "a", 9), (std::vector<std::string>{"a", "ab", "abc", "abcdef"}));
  EXPECT_TRUE(nearest_words(c, "zzzzzzzzzz", 2).empty()) << "nothing in common";
  EXPECT_TRUE(nearest_words(c, "x", 0).empty());
}

/// Copies of a model's configuration may be changed, and are not what the model's index was made of.
TEST(Vocabulary, AChangedCopyHasItsOwnWords) {
  const auto model = Model::open(std::string(DIT_SOURCE_DIR) + "/tests/golden/tiny.safetensors");
  ModelConfig changed = model->config();
  ASSERT_NE(changed.index, nullptr);
  changed.words[0] = "walrus";
  EXPECT_EQ(parse_label(changed, "walrus", "").words, Rows{1});
  EXPECT_THROW(parse_label(model->config(), "walrus", ""), Error);
}

}  // namespace
}  // namespace dit
