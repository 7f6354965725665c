// SPDX-License-Identifier: MIT
// JSON of others: what is refused, and numbers that are what they say.
#include "engine/model/json_text.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "engine/error.h"

namespace dit::test {
namespace {

using nlohmann::json;

std::string error_of(const std::string& text) {
  try {
    (void)parse_json(text, "here");
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::wrong_format);
    return error.what();
  }
  return "no error";
}

TEST(JsonText, IsWhatTheOrdinaryReaderMakesOfIt) {
  for (const char* text :
       {"1", "null", "[]", "{}", "[[],[1,-2,3.5,true,\"x\"]]", R"({"a":{"b":[1,{"c":null}]},"d":"é"})",
        "[18446744073709551615,-9223372036854775808,1e-320]"})
    EXPECT_EQ(*parse_json(text, "here"), json::parse(text)) << text;
}

TEST(JsonText, HasLimits) {
  const auto nested = [](std::size_t deep) { return std::string(deep, '[') + std::string(deep, ']'); };
  EXPECT_EQ(error_of(nested(64)), "no error");
  EXPECT_EQ(error_of(nested(65)), "here: JSON nested over 64 deep");
  EXPECT_EQ(error_of(std::string(1u << 20, '[')), "here: JSON nested over 64 deep");
  std::string objects;
  for (int i = 0; i < 65; ++i) objects += R"({"a":)";
  EXPECT_EQ(error_of(objects), "here: JSON nested over 64 deep");
  std::string many = "[0";
  for (int i = 0; i < 2'000'000; ++i) many += ",0";
  EXPECT_NE(error_of(many + "]").find("2000000 JSON values"), std::string::npos);
  EXPECT_EQ(error_of(R"({"a":1,"b":{"c":1,"c":2}})"), "here: key 'c' is there twice");
  for (const char* text : {"", "{", "[1,]", "{} x", "nan", "1e999", "\"\xff\"", "{'a':1}", "[1] // no"})
    EXPECT_NE(error_of(text).find("here: is not JSON"), std::string::npos) << text;
}

TEST(JsonText, HoldsAnyBytes) {
  EXPECT_EQ(json_text(json("a\xff"
                           "b")),
            "\"a\xef\xbf\xbd"
            "b\"");
  EXPECT_EQ(json_text(json::object({{"\xfe", 1}})), "{\"\xef\xbf\xbd\":1}");
  for (const char* text : {"", "a", "\u00e4", "\u20ac", "\U0001f98a", "\ufffd"}) EXPECT_TRUE(is_utf8(text)) << text;
  for (const char* text : {"\xff", "a\xc3", "\xc0\xaf", "\xed\xa0\x80", "\xf5\x80\x80\x80"})
    EXPECT_FALSE(is_utf8(text)) << text;
}

TEST(JsonText, NumbersAreWhole) {
  const auto whole = [](const char* text) -> std::string {
    try {
      return std::to_string(whole_of(json::parse(text), 1, UINT64_MAX, "n"));
    } catch (const Error& error) {
      return error.what();
    }
  };
  EXPECT_EQ(whole("24"), "24");
  EXPECT_EQ(whole("24.0"), "24");
  EXPECT_EQ(whole("18446744073709551615"), "18446744073709551615");
  for (const char* text : {"24.9", "0", "-1", "-0.0", "true", "null", "\"24\"", "[24]", "{}", "1e300",
                           "18446744073709551616", "-18446744073709551615"})
    EXPECT_NE(whole(text).find("n: expected a whole number from 1 to"), std::string::npos) << text << whole(text);
  for (const char* text : {"-0.1", "1.1", "true", "\"0.5\"", "null", "[]"})
    EXPECT_THROW(real_of(json::parse(text), 0, 1, "n"), Error) << text;
  EXPECT_EQ(real_of(json(1), 0, 1, "n"), 1.0);
}

}  // namespace
}  // namespace dit::test
