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
            "a-rathe...     7\n"
            "ä           1234\n");
}

TEST(Table, StaysWideRatherThanUnreadable) {
  EXPECT_EQ(Example().Render(3, false),
            "NAME         N\n"
            "a-rat...     7\n"
            "ä         1234\n");
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
