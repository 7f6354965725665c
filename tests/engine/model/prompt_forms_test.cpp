// SPDX-License-Identifier: MIT
// Words that the shipped lexicon has in another form: inflected, without accents, mistyped, joined; and what is left
// out.
#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "engine/error.h"
#include "engine/model/prompts/prompt.h"
#include "engine/model/prompts/variants.h"

namespace dit {
namespace {

ModelConfig house(std::string locale = "C") {
  const std::filesystem::path source = DIT_SOURCE_DIR;
  ModelConfig config;
  config.name = "house";
  config.words = {"dog",      "cat",   "bicycle", "umbrella", "apple", "tree",  "car",    "c:red",     "wheels",
                  "arrow",    "house", "boot",    "teddy",    "bear",  "fish",  "pisces", "telephone", "room",
                  "bicycles", "no",    "book",    "fridge",   "moon",  "mouth", "bee",    "key",       "information"};
  config.styles = {"flat"};
  config.aliases = {{"red", {"c:red"}}};
  config.lexicon = std::make_shared<const LexiconFile>(
      std::vector<std::filesystem::path>{source / "models/lexicon.bin"}, std::move(locale));
  return config;
}

std::string painted(const ModelConfig& config, const std::string& prompt) {
  std::string text;
  try {
    for (const std::uint32_t row : read_prompt(config, prompt, "").words) {
      text += (text.empty() ? "" : " ") + config.words[row - 1];
    }
  } catch (const Error& error) {
    return error.what();
  }
  return text;
}

TEST(PromptForms, InflectedWordsOfManyLanguages) {
  const ModelConfig config = house();
  for (const char* dogs : {"Hunde", "perros", "honden", "hundar", "psy", "собаками", "koirat", "kutyák", "köpekler",
                           "cães", "σκύλοι", "الكلب"}) {
    EXPECT_EQ(painted(config, dogs), "dog") << dogs;
  }
  for (const char* apples : {"Äpfel", "pommes", "manzanas", "mele", "jabłka", "äpplen", "elmalar"}) {
    EXPECT_EQ(painted(config, apples), "apple") << apples;
  }
  EXPECT_EQ(painted(config, "Bäume"), "tree");
  EXPECT_EQ(painted(config, "bomen"), "tree");
}

TEST(PromptForms, IrregularPluralsAreTheirSingularHoweverBadlyThatIsPainted) {
  ModelConfig config = house();
  config.words = {"knife", "scissors", "wolf",  "fox",   "leaf",  "tree",
                  "goose", "duck",     "tooth", "mouth", "mouse", "rat"};
  config.good = {44, 255, 44, 255, 44, 255, 44, 255, 44, 255, 44, 255};
  EXPECT_EQ(painted(config, "knives"), "knife");
  EXPECT_EQ(painted(config, "wolves"), "wolf");
  EXPECT_EQ(painted(config, "leaves"), "leaf");
  EXPECT_EQ(painted(config, "geese"), "goose");
  EXPECT_EQ(painted(config, "teeth"), "tooth");
  EXPECT_EQ(painted(config, "mice"), "mouse");
}

TEST(PromptForms, CompoundsOfOurListsAreNotTakenApart) {
  ModelConfig config = house();
  config.words = {"ride",   "share",  "taxi",   "air",     "chicken", "oven",
                  "reader", "tablet", "bright", "washing", "machine"};
  config.good = {255, 0, 255, 255, 255, 255, 255, 255, 255, 255, 255};
  EXPECT_EQ(painted(config, "ride share"), "taxi");  // though the model has both words
  EXPECT_EQ(painted(config, "rideshare"), "taxi");
  EXPECT_EQ(painted(config, "air fryer"), "oven");
  EXPECT_EQ(painted(config, "air fryers"), "oven");
  EXPECT_EQ(painted(config, "e-reader"), "tablet");
  EXPECT_EQ(painted(config, "ereader"), "tablet");
  EXPECT_EQ(painted(config, "lavadora"), "washing machine");
}

TEST(PromptForms, ThingsAreMeantAndNotTheSignsThatAreCalledAfterThem) {
  const ModelConfig config = house();
  EXPECT_EQ(painted(config, "peixes"), "fish");
  EXPECT_EQ(painted(config, "ryby"), "fish");
  EXPECT_EQ(painted(config, "vélos"), "bicycle");
  EXPECT_EQ(painted(config, "♓"), "pisces");
  EXPECT_EQ(painted(config, "dog on a car"), "dog car");  // "ON!" is an arrow
  EXPECT_EQ(painted(config, "Mond"), "moon");             // a mouth in Dutch
}

TEST(PromptForms, AccentsAndScriptsAsKeyboardsHaveThem) {
  const ModelConfig config = house();
  EXPECT_EQ(painted(config, "jablko"), "apple");
  EXPECT_EQ(painted(config, "ksiazka"), "book");
  EXPECT_EQ(painted(config, "Schluessel"), "key");
  EXPECT_EQ(painted(config, "ARI"), "bee");  // Turkish: "arı"
  EXPECT_EQ(painted(config, "KEDİ"), "cat");
  EXPECT_EQ(painted(config, "いぬ"), "dog");
  EXPECT_EQ(painted(config, "ネコ"), "cat");
  EXPECT_EQ(painted(config, "Ｋａｔｚｅ"), "cat");
  EXPECT_EQ(painted(config, "Kat\u00adze\u200b und \u200fHund\u200e"), painted(config, "Kat\u00adze\u200b Hund"));
  EXPECT_EQ(painted(config, "ℹ"), "information");
}

TEST(PromptForms, OneSlipIsForgiven) {
  const ModelConfig config = house();
  for (const char* typed : {"bycicle", "bicyle", "biccycle", "bicycke"}) {
    const Label label = read_prompt(config, typed, "");
    ASSERT_EQ(label.readings.size(), 1u) << typed;
    EXPECT_EQ(label.readings[0].painted, "bicycle");
    EXPECT_EQ(label.readings[0].how, "spelling in en");
  }
  EXPECT_NE(painted(config, "dgo").find("nearest: "), std::string::npos);  // so short that it is near to anything
  EXPECT_EQ(one_slip_away("abcd").size(), 0u);
  EXPECT_EQ(one_slip_away("犬猫犬猫犬").size(), 0u);
  const auto slips = one_slip_away("кошкв");
  EXPECT_NE(std::ranges::find(slips, "кошка"), slips.end());
}

TEST(PromptForms, JoinedWords) {
  const ModelConfig config = house();
  EXPECT_EQ(painted(config, "teddybear"), "teddy bear");
  EXPECT_EQ(painted(config, "Gummistiefel"), "boot");  // nobody knows what rubber is
  EXPECT_EQ(painted(config, "Kühlschränke"), "fridge");
  EXPECT_EQ(painted(config, "telephone booth").find("telephone"), 0u);
}

TEST(PromptForms, WhatIsSaidNotToBeThereIsLeftOut) {
  const ModelConfig config = house();
  const Label label = read_prompt(config, "car without red wheels and a dog", "");
  ASSERT_EQ(label.readings.size(), 1u);
  EXPECT_EQ(describe_readings(label), "without red wheels → nothing (left out)");
  EXPECT_EQ(painted(config, "car without red wheels and a dog"), "car dog");
  EXPECT_EQ(read_prompt(config, "car without red wheels without red wheels", "").readings.size(), 1u);
  EXPECT_EQ(painted(config, "Auto ohne Fisch"), "car");
  EXPECT_EQ(painted(config, "without wheels"), "wheels");  // else nothing would be painted
}

TEST(PromptForms, WordsOfAListThatSayNothingMaySaySomethingAlone) {
  const ModelConfig config = house();
  EXPECT_EQ(painted(config, "घर"), "house");
  EXPECT_NE(painted(config, "und").find("nearest: "), std::string::npos);
}

}  // namespace
}  // namespace dit
