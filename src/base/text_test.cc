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

TEST(CutUtf8, CutsBetweenCharactersAndNeverWithinOne) {
  EXPECT_EQ(CutUtf8("abc", 3), "abc");
  EXPECT_EQ(CutUtf8("abcd", 3), "abc");
  EXPECT_EQ(CutUtf8("", 0), "");
  // One, two, three and four bytes, cut at every place.
  const std::string text = "a\u00e4\u20ac\U0001f600z";
  for (size_t bytes = 0; bytes <= text.size() + 2; ++bytes) {
    const std::string_view cut = CutUtf8(text, bytes);
    EXPECT_TRUE(IsUtf8(cut)) << bytes;
    EXPECT_LE(cut.size(), bytes);
    EXPECT_GE(cut.size() + 3, std::min(bytes, text.size()));
  }
  // Of characters that are all longer than a byte, too.
  std::string long_text;
  while (long_text.size() < 1200) long_text += "\u00e4";
  EXPECT_TRUE(IsUtf8(CutUtf8(long_text, 999)));
  EXPECT_TRUE(IsUtf8(CutUtf8("a" + long_text, 1000)));
}

TEST(CleanText, IsTakenByEverybody) {
  EXPECT_EQ(CleanText("two\nlines\tand", 100), "two\nlines\tand");
  EXPECT_EQ(CleanText(std::string("a\0b\x1b[0m\x7f", 7), 100), "a b [0m");
  for (size_t bytes = 0; bytes < 20; ++bytes) {
    const std::string clean = CleanText("\xff\xc3\u00e4\xe2\x82z\u20ac", bytes);
    EXPECT_TRUE(CheckText("text", clean, bytes).has_value()) << bytes;
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

TEST(NaturallyBefore, CountsAsPeopleDo) {
  const std::vector<std::string> sorted = {"", "a", "a-2", "a-10", "a-10-b", "a2b", "b"};
  for (size_t i = 0; i < sorted.size(); ++i)
    for (size_t j = 0; j < sorted.size(); ++j)
      EXPECT_EQ(NaturallyBefore(sorted[i], sorted[j]), i < j) << sorted[i] << " " << sorted[j];
  EXPECT_FALSE(NaturallyBefore("a-2", "a-02"));
  EXPECT_FALSE(NaturallyBefore("a-02", "a-2"));
}

}  // namespace
}  // namespace tallyman
