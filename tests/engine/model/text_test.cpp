// SPDX-License-Identifier: MIT
#include "engine/model/text.h"

#include <gtest/gtest.h>

#include <clocale>

namespace dit {
namespace {

using Words = std::vector<std::string>;

TEST(Text, CaseIsUnicodesAndNotTheLocales) {
  // Where the test machine has it, a Turkish locale, in which the small letter of I is ı.
  const std::string before = std::setlocale(LC_ALL, nullptr);
  for (const char* locale : {"tr_TR.UTF-8", "C.UTF-8", "C"}) {
    if (std::setlocale(LC_ALL, locale) == nullptr) continue;
    SCOPED_TRACE(locale);
    EXPECT_EQ(split_words("PIZZA"), Words{"pizza"});
    EXPECT_EQ(split_words("P\u0130ZZA pi\u0307zza"), (Words{"pizza", "pizza"}));
    EXPECT_EQ(split_words("ÄPFEL STRASSE Straße ΦΩΣ φως ДОМ"),
              (Words{"äpfel", "strasse", "strasse", "φωσ", "φωσ", "дом"}));
    EXPECT_EQ(lower_ascii("NVIDIA I"), "nvidia i");
  }
  std::setlocale(LC_ALL, before.c_str());
}

TEST(Text, EveryBlankDashQuoteAndSignParts) {
  for (const char* between :
       {" ",      "\t",     "\n",     "\r\n",   "\v",     "\u0085", "\u00a0", "\u1680", "\u2003", "\u2009",
        "\u2028", "\u2029", "\u202f", "\u205f", "\u3000", "\u200b", "\u2800", "\u3164", "-",      "_",
        "\u2010", "\u2011", "\u2012", "\u2013", "\u2014", "\u2015", "\u2212", "\u301c", "'",      "\u2018",
        "\u2019", "\u201a", "\u201c", "\u201d", "\u201e", "\u00ab", "\u00bb", "\u2039", "\u300c", "\u00b4",
        "`",      "\u02bc", "\u02bb", "\u2032", "\uff07", ",",      "\uff0c", "\u3001", "\u3002", "\u060c",
        "\u2026", "\u00b7", "\u2022", "\u00bf", "\uff01", "/",      "\u2044", "+",      "\u00d7", "=",
        "\u20ac", "\u00a8", "\uff1a", "\ufe55", "\x01",   "\x7f",   "\u009b"}) {
    EXPECT_EQ(split_words(std::string("Red") + between + "fox"), (Words{"red", "fox"})) << between;
    EXPECT_EQ(split_words(between + std::string("red") + between + between), Words{"red"}) << between;
  }
}

TEST(Text, WhatNobodySeesIsNotThere) {
  for (const char* inside : {"\u00ad", "\u200c", "\u200d", "\u2060", "\ufeff", "\u200e", "\u202e", "\u2066", "\u2069",
                             "\ufe0f", "\u034f", "\u180e", "\U000e0061"}) {
    EXPECT_EQ(split_words(std::string("f") + inside + "ox"), Words{"fox"}) << inside;
    EXPECT_EQ(split_words(inside + std::string("fox") + inside), Words{"fox"}) << inside;
  }
}

TEST(Text, OneFormOfEachCharacter) {
  EXPECT_EQ(split_words("ＦＯＸ ﬁre e\u0301cole \u00e9cole ℌouse ⑦ x²"),
            (Words{"fox", "fire", "école", "école", "house", "7", "x2"}));
  EXPECT_EQ(split_words("½"), (Words{"1", "2"}));
  EXPECT_EQ(split_words("\u0301fox"), Words{"fox"});
}

TEST(Text, PictographsAreWordsOfTheirOwn) {
  EXPECT_EQ(split_words("fox🦊red"), (Words{"fox", "🦊", "red"}));
  EXPECT_EQ(split_words("👍🏽"), Words{"👍🏽"});
  EXPECT_EQ(split_words("❤\ufe0f"), Words{"❤"});
}

TEST(Text, AnyBytesAreText) {
  EXPECT_EQ(split_words("red \xff\xc3 fox \xed\xa0\x80"), (Words{"red", "\ufffd\ufffd", "fox", "\ufffd\ufffd\ufffd"}));
  EXPECT_EQ(split_words(std::string_view("red\0fox", 7)), (Words{"red", "fox"}));
  EXPECT_EQ(split_words(""), Words{});
  EXPECT_EQ(split_words("日本 語"), (Words{"日本", "語"}));
}

TEST(Text, ColonsStayInsideWords) {
  EXPECT_EQ(split_words("c:red :c:red: : :: keycap: 10"), (Words{"c:red", "c:red", "keycap", "10"}));
  EXPECT_EQ(fold_text("C:"), "c:");
}

TEST(Text, FoldedTextStaysAsItIs) {
  for (const char* text :
       {"PIZZA", "ＦＯＸ’s Straße—½", "👍🏽 ﬁre", "İI", "e\u0301\u0301\u00b4", "\u1e9e\u0345\u03b1"}) {
    EXPECT_EQ(fold_text(fold_text(text)), fold_text(text)) << text;
  }
}

TEST(Text, ShortenedTextIsWholeCharactersWithoutControls) {
  EXPECT_EQ(shorten("red fox"), "red fox");
  EXPECT_EQ(shorten("\x1b]0;owned\x07\n"), " ]0;owned  ");
  std::string long_text, start;
  for (int i = 0; i < 1000; ++i) long_text += "日";
  for (int i = 0; i < 80; ++i) start += "日";
  EXPECT_EQ(shorten(long_text), start + "...");
  EXPECT_EQ(shorten("a\xff"), "a\ufffd");
}

}  // namespace
}  // namespace dit
