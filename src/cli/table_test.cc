#include "cli/table.h"

#include <gtest/gtest.h>

namespace tallyman::cli {
namespace {

Table Example() {
  Table table({{"NAME", Align::kLeft, true}, {"N", Align::kRight}});
  table.AddRow({{"a-rather-long-name"}, {"7"}});
  table.AddRow({{"ä"}, {"1234"}});
  return table;
}

TEST(Table, LinesUpByCharactersAndTrimsTheEnd) {
  EXPECT_EQ(Example().Render(0, false),
            "NAME                   N\n"
            "a-rather-long-name     7\n"
            "ä                   1234\n");
}

TEST(Table, CutsWhatMayShrinkToFitTheWidth) {
  EXPECT_EQ(Example().Render(16, false),
            "NAME           N\n"
            "a-...-name     7\n"
            "ä           1234\n");
}

TEST(Table, StaysWideRatherThanUnreadable) {
  EXPECT_EQ(Example().Render(3, false),
            "NAME         N\n"
            "a...name     7\n"
            "ä         1234\n");
}

TEST(Table, WhatTellsRowsApartIsCutLast) {
  Table table(
      {{"NAME", Align::kLeft, true}, {"ORG", Align::kLeft, true}, {"IMAGE", Align::kLeft, true}});
  for (const char* version : {"9", "10"}) {
    table.AddRow({{std::string("a-long-name-") + version},
                  {"the-same-everywhere"},
                  {std::string("ethereum/reth@0.0.") + version}});
  }
  EXPECT_EQ(table.Render(46, false),
            "NAME            ORG       IMAGE\n"
            "a-long-name-9   t...here  ethereum/reth@0.0.9\n"
            "a-long-name-10  t...here  ethereum/reth@0.0.10\n");
  EXPECT_EQ(table.Render(40, false),
            "NAME            ORG       IMAGE\n"
            "a-long-name-9   t...here  eth...th@0.0.9\n"
            "a-long-name-10  t...here  eth...h@0.0.10\n");
  EXPECT_EQ(table.Render(30, false),
            "NAME        ORG       IMAGE\n"
            "a-...ame-9  t...here  e....0.9\n"
            "a-...me-10  t...here  e...0.10\n");
}

TEST(Table, RowsThatFollowHaveTheWidthsOfTheFirst) {
  for (const int width : {0, 20}) {
    Table table = Example();
    table.Render(width, false);
    table.ForgetRows(width);
    table.AddRow({{"b"}, {"5"}});
    table.AddRow({{"an-even-longer-name-than-that"}, {"56789"}});
    EXPECT_EQ(table.Render(width, false), width == 0 ? "b                      5\n"
                                                       "an-even-longer-name-than-that  56789\n"
                                                     : "b                  5\n"
                                                       "an-...han-that  56789\n");
  }
}

TEST(Table, NothingIsCutForColumnsThatSayNothing) {
  Table table({{"NAME", Align::kLeft, true}, {"PRIVATE TO"}, {"N"}});
  table.AddRow({{"a-long-name-9"}, {}, {"1"}});
  table.AddRow({{"a-long-name-10"}, {}, {"2"}});
  EXPECT_EQ(table.Render(0, false),
            "NAME            PRIVATE TO  N\n"
            "a-long-name-9               1\n"
            "a-long-name-10              2\n");
  EXPECT_EQ(table.Render(20, false),
            "NAME            N\n"
            "a-long-name-9   1\n"
            "a-long-name-10  2\n");
}

TEST(Table, OfAListWhatDoesNotFitIsNamedInstead) {
  Table list({{"NAME", Align::kLeft, true}, {"STATE"}, {"CPU USED"}, {"MEMORY"}}, true);
  list.AddRow({{"a-long-name-9"}, {"running"}, {"12345"}, {"1.5 TB"}});
  list.AddRow({{"a-long-name-10"}, {"stopped"}, {"1"}, {"2 TB"}});
  EXPECT_EQ(list.Render(24, false),
            "NAME            STATE\n"
            "a-long-name-9   running\n"
            "a-long-name-10  stopped\n"
            "not shown: cpu_used, memory (-o wide)\n");
  EXPECT_EQ(list.Render(0, false),
            "NAME            STATE    CPU USED  MEMORY\n"
            "a-long-name-9   running  12345     1.5 TB\n"
            "a-long-name-10  stopped  1         2 TB\n");
}

TEST(Table, OfAListNamesAreCutAfterOtherColumnsAreLeftOut) {
  Table list({{"IMAGE", Align::kLeft, true}, {"COMMITTED"}, {"CPU"}}, true);
  list.AddRow({{"ethereum/reth-mainnet@1"}, {"2026-03-01"}, {"8"}});
  list.AddRow({{"ethereum/reth-sepolia@1"}, {"2026-03-01"}, {"4"}});
  EXPECT_EQ(list.Render(46, false),
            "IMAGE                    COMMITTED   CPU\n"
            "ethereum/reth-mainnet@1  2026-03-01  8\n"
            "ethereum/reth-sepolia@1  2026-03-01  4\n");
  EXPECT_EQ(list.Render(32, false),
            "IMAGE                 COMMITTED\n"
            "ether...th-mainnet@1  2026-03-01\n"
            "ether...th-sepolia@1  2026-03-01\n"
            "not shown: cpu (-o wide)\n");
  EXPECT_EQ(list.Render(20, false),
            "IMAGE\n"
            "ether...th-mainnet@1\n"
            "ether...th-sepolia@1\n"
            "not shown: committed, cpu (-o wide)\n");
}

TEST(Table, ASentenceIsReadFromItsBeginning) {
  Table table({{"N"}, {"MESSAGE", Align::kLeft, true, true}});
  table.AddRow({{"1"}, {"node eth-1 was created on host h1"}});
  EXPECT_EQ(table.Render(16, false),
            "N  MESSAGE\n"
            "1  node eth-1...\n");
}

TEST(Table, WithoutItsWideColumnsItIsTheSame) {
  Table table({{"N"}, {.title = "MORE", .is_wide = true}, {"M"}});
  table.AddRow({{"1"}, {"2"}, {"3"}});
  EXPECT_EQ(table.Render(0, false), "N  MORE  M\n1  2     3\n");
  EXPECT_EQ(table.Narrow().Render(0, false), "N  M\n1  3\n");
}

TEST(Column, IsAskedForByItsTitleInSmallLetters) {
  EXPECT_EQ(Column{"CPU USED"}.Key(), "cpu_used");
  EXPECT_EQ((Column{.title = "FREE", .key = "cpu_free"}.Key()), "cpu_free");
}

TEST(Table, ColoursCellsOnlyWhenAsked) {
  Table table({{""}, {""}});
  table.AddRow({{"x", Colour::kRed}, {"y"}});
  EXPECT_EQ(table.Render(0, true), "\x1b[31mx\x1b[0m  y\n");
  EXPECT_EQ(table.Render(0, false), "x  y\n");
}

TEST(Table, TextFromOutsideCannotDriveTheTerminal) {
  Table table({{""}});
  table.AddRow({{"a\x1b[2Jb\nc\xff"}});
  EXPECT_EQ(table.Render(0, false), "a\\x1b[2Jb\\x0ac\\xff\n");
}

}  // namespace
}  // namespace tallyman::cli
