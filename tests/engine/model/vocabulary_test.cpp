// SPDX-License-Identifier: MIT
#include "engine/model/vocabulary.h"

#include <gtest/gtest.h>

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
  EXPECT_NE(error_of("日本", "").find("日本"), std::string::npos);
  // A prompt as long as a file must neither hang nor fill memory.
  const std::string text = error_of(std::string(1 << 20, 'z').c_str(), "");
  EXPECT_NE(text.find("nearest"), std::string::npos);
  EXPECT_LT(text.size(), 500u);
}

}  // namespace
}  // namespace dit
