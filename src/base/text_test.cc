#include "base/text.h"

#include <gtest/gtest.h>

namespace tallyman {
namespace {

TEST(IsUtf8, KnowsWellFormedSequences) {
  EXPECT_TRUE(IsUtf8(""));
  EXPECT_TRUE(IsUtf8("caf\xc3\xa9 \xe2\x82\xac \xf0\x9f\x9a\xa2"));
  for (const char* bad :
       {"\x80", "\xc0\xaf", "\xc3", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xff", "a\xe2\x82"}) {
    EXPECT_FALSE(IsUtf8(bad)) << Quote(bad);
  }
}

TEST(Quote, IsSafeToPrint) {
  EXPECT_EQ(Quote("a\x1b[31m\"\xff"), "\"a\\x1b[31m\\\"\\xff\"");
  EXPECT_LT(Quote(std::string(10'000'000, 'x')).size(), 80u);
}

TEST(CheckName, NamesTheFieldTheValueAndTheWayOut) {
  EXPECT_TRUE(CheckName("name", "eth-1.a_b").has_value());
  for (const std::string& bad : {std::string(), std::string("-a"), std::string("a b"),
                                 std::string(101, 'a'), std::string("a\xff"), std::string("a/b")}) {
    Status status = CheckName("name", bad);
    ASSERT_FALSE(status.has_value()) << Quote(bad);
    EXPECT_EQ(status.error().reason, "INVALID_NAME");
    EXPECT_NE(status.error().message.find("name is "), std::string::npos);
  }
}

TEST(CheckText, RefusesControlsAndLength) {
  EXPECT_TRUE(CheckText("value", "two\nlines", 100).has_value());
  EXPECT_FALSE(CheckText("value", std::string("a\0b", 3), 100).has_value());
  EXPECT_FALSE(CheckText("value", "abc", 2).has_value());
}

TEST(CutUtf8, DoesNotCutACharacterInItsMiddle) {
  auto cut = [](std::string text, size_t bytes_max) {
    CutUtf8(text, bytes_max);
    return text;
  };
  EXPECT_EQ(cut("short", 10), "short");
  EXPECT_EQ(cut("exactly", 7), "exactly");
  EXPECT_EQ(cut("longer", 4), "long");
  EXPECT_EQ(cut("a\xc3\xa4", 2), "a");
  EXPECT_EQ(cut("a\xf0\x9f\x90\x8b", 4), "a");
  EXPECT_EQ(cut("a\xf0\x9f\x90\x8b!", 5), "a\xf0\x9f\x90\x8b");
}

}  // namespace
}  // namespace tallyman
