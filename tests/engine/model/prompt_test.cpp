// SPDX-License-Identifier: MIT
// Prompts as people type them, read with the shipped lexicon and a shipped model's words.
#include "engine/model/prompts/prompt.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <fstream>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "engine/error.h"
#include "engine/model/good.h"
#include "engine/model/word_index.h"

namespace dit {
namespace {

const std::filesystem::path source = DIT_SOURCE_DIR;

std::vector<std::string> split(const std::string& text, char separator) {
  std::vector<std::string> parts(1);
  for (const char c : text) {
    if (c == separator) {
      parts.emplace_back();
    } else {
      parts.back() += c;
    }
  }
  return parts;
}

ModelConfig with_lexicon(ModelConfig config, const std::filesystem::path& file, std::string locale = "C") {
  config.index = nullptr;
  config.lexicon = std::make_shared<const LexiconFile>(std::vector{file}, std::move(locale));
  return config;
}

/// A small vocabulary beside the shipped lexicon.
ModelConfig zoo(std::string locale = "C") {
  ModelConfig config;
  config.name = "zoo";
  config.words = {"dog", "face",  "car", "c:red", "pizza", "hot",   "beverage",
                  "cat", "bread", "die", "l:a",   "l:7",   "letter"};
  config.styles = {"flat"};
  config.aliases = {{"red", {"c:red"}}};
  return with_lexicon(std::move(config), source / "models/lexicon.bin", std::move(locale));
}

std::string painted(const ModelConfig& config, const std::string& prompt) {
  std::string text;
  for (const std::uint32_t row : read_prompt(config, prompt, "").words) {
    text += (text.empty() ? "" : " ") + config.words[row - 1];
  }
  return text;
}

struct Group {
  std::string name;
  std::size_t right = 0, all = 0;
  std::string wrong;
};

/// Whether all words of one of the alternatives are painted.
bool is_right(const WordIndex& index, const Label& label, const std::string& alternatives) {
  const std::set<std::uint32_t> rows(label.words.begin(), label.words.end());
  return std::ranges::any_of(split(alternatives, '|'), [&](const std::string& wanted) {
    return std::ranges::all_of(split(wanted, ' '), [&](const std::string& word) {
      const auto& of_word = index.rows(word);
      return !of_word.empty() && std::ranges::all_of(of_word, [&](std::uint32_t row) { return rows.contains(row); });
    });
  });
}

std::vector<Group> read_list(const ModelConfig& config, const char* name) {
  const auto index = index_of(config);
  std::ifstream file(source / "tests/data" / name);
  std::vector<Group> groups;
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with("## ")) groups.push_back({.name = line.substr(3), .wrong = {}});
    const std::size_t tab = line.find('\t');
    if (tab == std::string::npos) continue;
    Group& group = groups.back();
    ++group.all;
    const std::string prompt = line.substr(0, tab);
    try {
      const bool right = is_right(*index, read_prompt(config, prompt, ""), line.substr(tab + 1));
      group.right += right;
      if (!right) group.wrong += prompt + " is painted as " + painted(config, prompt) + "\n";
    } catch (const Error& error) {
      group.wrong += std::string(error.what()) + "\n";
    }
  }
  return groups;
}

TEST(Prompts, NineOfTenOfAListArePaintedAsWhatTheyMean) {
  const auto model = Model::open(source / "models/icons.safetensors");
  const ModelConfig config = with_lexicon(model->config(), source / "models/lexicon.bin");
  const std::vector<Group> groups = read_list(config, "prompts.txt");
  ASSERT_EQ(groups.size(), 3u);
  for (const Group& group : groups) {
    RecordProperty(group.name, static_cast<int>(group.right));
    EXPECT_EQ(group.all, 100u) << group.name;
    EXPECT_GE(group.right, 90u) << group.name << ", wrong:\n" << group.wrong;
  }
}

TEST(Prompts, WhatWasReadRightWhenFirstTriedStaysRight) {
  const auto model = Model::open(source / "models/icons.safetensors");
  const ModelConfig config = with_lexicon(model->config(), source / "models/lexicon.bin");
  const std::vector<Group> groups = read_list(config, "prompts_first_tried.txt");
  ASSERT_EQ(groups.size(), 4u);
  for (const Group& group : groups) {
    EXPECT_GE(group.all, 30u) << group.name;
    EXPECT_GE(group.right * 100, group.all * 97) << group.name << ", wrong:\n" << group.wrong;
  }
}

TEST(Prompts, KnownWordsAreReadAsBeforeAndOpenNoLexicon) {
  ModelConfig config = with_lexicon(zoo(), source / "README.md");
  EXPECT_EQ(read_prompt(config, "red dog; CAT", "flat"), parse_label(config, "red dog; CAT", "flat"));
  EXPECT_EQ(read_prompt(config, "", ""), parse_label(config, "", ""));
  EXPECT_THROW(read_prompt(config, "hound", ""), Error);  // a README is no lexicon
  config = with_lexicon(zoo(), source / "no such file");
  EXPECT_EQ(read_prompt(config, "dog hound", "").unknown, (std::vector<std::string>{"hound"}));
}

TEST(Prompts, OtherWordsAreSaid) {
  const ModelConfig config = zoo();
  const Label label = read_prompt(config, "Kaffee and a puppy", "");
  ASSERT_EQ(label.readings.size(), 2u);
  EXPECT_EQ(label.readings[0].typed, "kaffee");
  EXPECT_EQ(label.readings[0].painted, "hot beverage");
  EXPECT_GT(label.readings[0].sure, 0.5f);
  EXPECT_EQ(label.readings[1].painted, "dog face");
  EXPECT_TRUE(label.unknown.empty());
  EXPECT_NE(describe_readings(label).find("puppy → dog face"), std::string::npos);
  EXPECT_EQ(describe_readings(read_prompt(config, "red dog", "")), "");
}

TEST(Prompts, WhatIsTypedTwiceIsSaidOnce) {
  const ModelConfig config = zoo();
  const Label label = read_prompt(config, "🍕🍕 🍕 hot drink hot drink kaffee Kaffee 🀀🀀 🀁🀀 dog", "");
  std::vector<std::string> said = label.unknown;
  for (const Reading& reading : label.readings) said.push_back(reading.typed);
  EXPECT_EQ(std::set<std::string>(said.begin(), said.end()).size(), said.size());
  EXPECT_EQ(read_prompt(config, "🍕🍕 🍕", "").readings.size(), 1u);
}

TEST(Prompts, StrictWordsAskNoLexicon) {
  const ModelConfig config = zoo();
  EXPECT_THROW(read_prompt(config, "🍕", "", true), Error);
  EXPECT_EQ(read_prompt(config, "dog and puppy", "", true).unknown, (std::vector<std::string>{"and", "puppy"}));
}

TEST(Prompts, EmojiAreReadWithWhatBelongsToThem) {
  const ModelConfig config = zoo();
  EXPECT_EQ(painted(config, "🍕"), "pizza");
  EXPECT_EQ(read_prompt(config, "🍕🍕 🍕", "").readings.size(), 1u);
  EXPECT_EQ(painted(config, "a🍕🐶!"), "pizza dog face");
  EXPECT_EQ(painted(config, "☕\xEF\xB8\x8F"), "hot beverage");
  EXPECT_EQ(painted(config, "☕"), "hot beverage");
  EXPECT_THROW(read_prompt(config, "\xF3\xB0\x80\x80", ""), Error);  // a private character
}

TEST(Prompts, OneLanguageExplainsAmbiguousWords) {
  const ModelConfig config = zoo();
  EXPECT_EQ(painted(config, "die Katze"), "cat");  // the article, and not the die
  EXPECT_EQ(painted(config, "die"), "die");
  EXPECT_EQ(painted(config, "rotes Auto"), "c:red car");
  EXPECT_EQ(painted(config, "红色的汽车"), "c:red car");
}

TEST(Prompts, LettersArePaintedWhereTheModelHasThem) {
  const ModelConfig config = zoo();
  EXPECT_EQ(painted(config, "\"A\""), "l:a");
  EXPECT_EQ(painted(config, "“7” red"), "l:7 c:red");
  EXPECT_EQ(painted(config, "letter A"), "l:a");
  EXPECT_EQ(painted(config, "letter dog"), "letter dog");
}

TEST(Prompts, NothingButUnknownWordsIsAnError) {
  const ModelConfig config = zoo();
  for (const char* prompt : {"xqzzy", "the", "und", "xqzzy the"}) {
    try {
      read_prompt(config, prompt, "");
      ADD_FAILURE() << prompt;
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::settings);
      EXPECT_NE(std::string(error.what()).find("nearest: "), std::string::npos) << error.what();
    }
  }
}

TEST(Prompts, ManyUnknownWordsCanBeCancelled) {
  const ModelConfig config = zoo();
  std::string prompt = "dog";
  for (int i = 0; i < 10000; ++i) prompt += " qx" + std::to_string(i);
  ASSERT_LT(prompt.size(), most_prompt_bytes);
  EXPECT_EQ(read_prompt(config, prompt, "").unknown.size(), 10000u);
  const std::atomic<bool> cancelled{true};
  EXPECT_THROW(read_prompt(config, prompt, "", false, cancelled), Cancelled);
}

TEST(Prompts, TheFileSaysWhichWordsTheModelKnowsWell) {
  ModelConfig config = zoo();
  config.words = {"one", "two", "three"};
  Weights weights;
  EXPECT_TRUE(read_good(weights, config, "w").empty());
  weights.metadata["good"] = "/4AA";  // 255, 128, 0
  config.good = read_good(weights, config, "w");
  EXPECT_FLOAT_EQ(config.goodness(1), 1);
  EXPECT_FLOAT_EQ(config.goodness(2), 128 / 255.0f);
  EXPECT_FLOAT_EQ(config.goodness(3), 0);
  for (const char* wrong : {"/4A", "/4AA/4AA/w==", "/4A*", ""}) {
    weights.metadata["good"] = wrong;
    EXPECT_THROW(read_good(weights, config, "w"), Error) << wrong;
  }
}

}  // namespace
}  // namespace dit
