#include "base/error.h"

#include <gtest/gtest.h>

#include <set>

namespace tallyman {
namespace {

TEST(CodeTable, IsTotalAndInTheOrderOfTheEnumerators) {
  ASSERT_EQ(CodeTable().size(), 16u);
  std::set<std::string_view> names;
  for (size_t i = 0; i < CodeTable().size(); ++i) {
    const CodeRow& row = CodeTable()[i];
    EXPECT_EQ(static_cast<size_t>(row.code), i);
    EXPECT_GE(row.http_status, 400);
    EXPECT_LE(row.http_status, 599);
    EXPECT_GT(row.exit_status, 0) << "a failure never exits with 0";
    EXPECT_NE(row.exit_status, 3) << "3 means that an audit found drift";
    EXPECT_EQ(CodeFromName(row.name), row.code);
    names.insert(row.name);
  }
  EXPECT_EQ(names.size(), 16u);
}

TEST(Error, FindsItsFacts) {
  Error e = InvalidArgument("BAD", "bad").About("host h").With("need", "3").With("free", "2");
  EXPECT_EQ(e.Fact("free"), "2");
  EXPECT_EQ(e.Fact("absent"), "");
  EXPECT_EQ(e.resource, "host h");
}

}  // namespace
}  // namespace tallyman
