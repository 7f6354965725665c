// SPDX-License-Identifier: MIT
// Text of others on one line: what is seen stays as it is, what acts is shown.
#include "engine/printable.h"

#include <gtest/gtest.h>

#include "engine/error.h"

namespace dit::test {
namespace {

TEST(Printable, KeepsWhatIsSeen) {
  for (const char* text : {"", "blocks.0.attn.qkv.weight", "Straße, 松, café", "❤️ 👩‍👩‍👧 ⚡",
                           "C:\\new\\table", "'\"`$(x)"})
    EXPECT_EQ(printable(text), text);
}

TEST(Printable, ShowsWhatActs) {
  EXPECT_EQ(printable("a\x1b]0;owned\x07\x1b[2Jb"), "a\\x1b]0;owned\\x07\\x1b[2Jb");
  EXPECT_EQ(printable("two\nlines\r\tand\x7f"), "two\\nlines\\x0d\\tand\\x7f");
  EXPECT_EQ(printable(std::string_view("\0x", 2)), "\\x00x");
  EXPECT_EQ(printable("\xc2\x9b"
                      "31m"),
            "\\u{9b}31m")
      << "C1, which terminals take for ESC [";
  EXPECT_EQ(printable("\u202efdp.exe\u2066\u200b\u2028\ufeff"), "\\u{202e}fdp.exe\\u{2066}\\u{200b}\\u{2028}\\u{feff}");
  EXPECT_EQ(printable("\xf3\xa0\x80\x81"), "\\u{e0001}");
}

TEST(Printable, ShowsBytesThatAreNoText) {
  EXPECT_EQ(printable("\xff\xfe"), "\\xff\\xfe");
  EXPECT_EQ(printable("\xc0\x9b"), "\\xc0\\x9b") << "overlong";
  EXPECT_EQ(printable("\xe0\x82\x9b"), "\\xe0\\x82\\x9b") << "overlong";
  EXPECT_EQ(printable("\xed\xa0\x80"), "\\xed\\xa0\\x80") << "a surrogate";
  EXPECT_EQ(printable("\xf4\x90\x80\x80"), "\\xf4\\x90\\x80\\x80") << "beyond Unicode";
  EXPECT_EQ(printable("caf\xc3"), "caf\\xc3") << "cut";
}

TEST(Printable, ShortensInTheMiddle) {
  const std::string text = "begin " + std::string(1000, 'x') + " end";
  EXPECT_EQ(printable(text, 30), "begin xxxxxxxxxxxxxx… (1010 bytes) …xxxxxx end");
  for (std::size_t most = 3; most < 40; ++most)
    EXPECT_EQ(printable("ééééééééééééééééééééééééé", most).find("\\x"), std::string::npos)
        << "whole characters " << most;
  EXPECT_EQ(printable(printable(text)), text);
}

TEST(Printable, IsWhatEveryErrorIsMadeOf) {
  const Error error(ErrorKind::wrong_format, "tensor 'a\x1b[2J\nb'");
  EXPECT_STREQ(error.what(), "tensor 'a\\x1b[2J\\nb'");
  EXPECT_LT(std::string(Error(ErrorKind::settings, std::string(1u << 20, 'x')).what()).size(), 2 * Error::most_text);
}

}  // namespace
}  // namespace dit::test
