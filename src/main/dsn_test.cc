#include "main/dsn.h"

#include <gtest/gtest.h>

namespace tallyman::app {
namespace {

TEST(ParseDsn, TakesThePathBehindTheKind) {
  EXPECT_EQ(ParseDsn("sqlite:fleet.db")->place, "fleet.db");
  EXPECT_EQ(ParseDsn("sqlite:/a/b:c")->place, "/a/b:c");
  EXPECT_EQ(ParseDsn("sqlite:fleet.db")->shown, "sqlite:fleet.db");
  EXPECT_EQ(ParseDsn("sqlite:fleet.db")->kind, DatabaseKind::kSqlite);
}

TEST(ParseDsn, TakesConnectionStringsWholeAndShowsThemWithoutTheirPassword) {
  for (const std::string scheme : {"postgres", "postgresql"}) {
    const std::string dsn = scheme + "://me:secret@h1,h2:5433/fleet?sslmode=verify-full";
    auto name = ParseDsn(dsn);
    ASSERT_TRUE(name);
    EXPECT_EQ(name->kind, DatabaseKind::kPostgres);
    EXPECT_EQ(name->place, dsn);
    EXPECT_EQ(name->shown, "postgres://me@h1,h2:5433/fleet");
  }
}

TEST(ParseDsn, RefusesWhatNamesNoDatabase) {
  using std::string_view_literals::operator""sv;
  for (auto dsn : {""sv, "sqlite:"sv, "fleet.db"sv, "SQLITE:x"sv, "sqlite:a\0b"sv, "mysql://x"sv,
                   "postgres:x"sv, "sqlite:fleet.db\r"sv, "postgres://h/fleet\n"sv,
                   "sqlite::memory:"sv, "sqlite:file:x?mode=ro"sv}) {
    auto name = ParseDsn(dsn);
    ASSERT_FALSE(name) << dsn;
    EXPECT_EQ(name.error().reason, "INVALID_DATABASE");
    EXPECT_EQ(name.error().Fact("field"), "db");
  }
}

TEST(ParseDsn, NeverRepeatsAPassword) {
  for (const char* dsn : {"postgress://me:hush@h/db", "mysql://me:hush@h/db", "me:hush@h",
                          "postgres://me:hush@h/db?nonsense=1", "postgres://me:hush@[h/db"}) {
    auto name = ParseDsn(dsn);
    ASSERT_FALSE(name) << dsn;
    EXPECT_EQ(name.error().message.find("hush"), std::string::npos) << name.error().message;
    EXPECT_EQ(name.error().Fact("value").find("hush"), std::string::npos);
  }
}

}  // namespace
}  // namespace tallyman::app
