// Databases that are missing, of another kind, of another time, or not to be written.
#include <gmock/gmock.h>
#include <sys/stat.h>

#include <fstream>
#include <sstream>

#include "tests/cli/program.h"

namespace tallyman {
namespace {

using testing::AllOf;
using testing::HasSubstr;

class BadDatabaseTest : public ProgramTest {
 protected:
  static std::string Bytes(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    std::stringstream text;
    text << file.rdbuf();
    return text.str();
  }
  Ran With(const std::string& dsn, std::vector<std::string> arguments) const {
    arguments.insert(arguments.begin(), {"--db", dsn});
    return Tallyman(arguments);
  }
};

TEST_F(BadDatabaseTest, AMissingOneIsNotMadeByReading) {
  const std::string path = PathOf("none.db");
  for (const auto& arguments :
       std::vector<std::vector<std::string>>{{"node", "list"},
                                             {"audit"},
                                             {"node", "upgrade", "n", "--image", "p/v@1.0.0"},
                                             {"db", "check"}}) {
    const Ran ran = With("sqlite:" + path, arguments);
    EXPECT_EQ(ran.status, arguments[0] == "audit" ? 1 : 4);
    EXPECT_THAT(ran.err, AllOf(HasSubstr("DATABASE_MISSING"), HasSubstr(path)));
    EXPECT_FALSE(std::filesystem::exists(path));
  }
}

TEST_F(BadDatabaseTest, ADirectoryOrAMissingDirectory) {
  EXPECT_NE(With("sqlite:" + PathOf("."), {"node", "list"}).status, 0);
  const Ran ran = With("sqlite:" + PathOf("no/such/dir/f.db"), {"db", "migrate"});
  EXPECT_NE(ran.status, 0);
  EXPECT_THAT(ran.err, HasSubstr("error: "));
}

TEST_F(BadDatabaseTest, AnotherKindOfDsn) {
  // A database of the other kind, where none is.
  const Ran away = With("postgres://127.0.0.1:1/y", {"node", "list", "--timeout", "1s"});
  EXPECT_EQ(away.status, 9);
  EXPECT_THAT(away.err, HasSubstr("DATABASE_UNREACHABLE"));
  for (const char* dsn : {"fleet.db", "sqlite:", "mysql:x"}) {
    const Ran ran = With(dsn, {"node", "list"});
    EXPECT_EQ(ran.status, 2) << dsn;
    EXPECT_THAT(ran.err, HasSubstr("sqlite:PATH"));
  }
}

TEST_F(BadDatabaseTest, AFileThatIsNoDatabaseIsLeftAsItIs) {
  const std::string path = Write("text.db", std::string(10'000, 'x'));
  for (const auto& arguments : std::vector<std::vector<std::string>>{
           {"node", "list"}, {"db", "migrate"}, {"org", "create", "a"}, {"db", "check"}}) {
    const Ran ran = With("sqlite:" + path, arguments);
    EXPECT_NE(ran.status, 0) << arguments[0];
    EXPECT_LT(ran.status, 10);
    EXPECT_THAT(ran.err, HasSubstr("not an SQLite database")) << ran.err;
  }
  EXPECT_EQ(Bytes(path), std::string(10'000, 'x'));
}

TEST_F(BadDatabaseTest, ADatabaseOfSomebodyElseIsLeftAsItIs) {
  Sql("CREATE TABLE theirs (a); INSERT INTO theirs VALUES (1)");
  const std::string before = Dump();
  for (const auto& arguments : std::vector<std::vector<std::string>>{
           {"node", "list"}, {"db", "migrate"}, {"org", "create", "a"}}) {
    const Ran ran = Tallyman(arguments);
    EXPECT_NE(ran.status, 0) << arguments[0] << ran.out;
    EXPECT_THAT(ran.err, HasSubstr("error: "));
  }
  EXPECT_EQ(Dump(), before);
}

TEST_F(BadDatabaseTest, ANewerSchemaIsRefused) {
  CreateSmallFleet();
  const std::string version = Sql("PRAGMA user_version");
  Sql("PRAGMA user_version = 999");
  const bool by_pragma = Tallyman({"node", "list"}).status != 0;
  if (!by_pragma) {
    Sql("PRAGMA user_version = " + version);
    Sql("UPDATE schema_version SET version = 999");
  }
  const std::string before = Dump();
  for (const auto& arguments : std::vector<std::vector<std::string>>{
           {"node", "list"}, {"db", "migrate"}, {"org", "create", "b"}}) {
    const Ran ran = Tallyman(arguments);
    EXPECT_EQ(ran.status, 8) << ran.out << ran.err;
    EXPECT_THAT(ran.err, AllOf(HasSubstr("999"), HasSubstr("newer")));
  }
  EXPECT_EQ(Dump(), before);
}

TEST_F(BadDatabaseTest, AReadOnlyOneIsNotChanged) {
  CreateSmallFleet();
  const std::string before = Dump();
  ::chmod(database().c_str(), 0444);
  std::filesystem::permissions(PathOf("."), std::filesystem::perms(0755));
  // The superuser may write what is read-only, so it is somebody else who tries.
  const std::vector<std::string> somebody = {"--reuid=65534", "--regid=65534", "--clear-groups"};
  auto run = [&](std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), {"--db", "sqlite:" + database()});
    if (::geteuid() != 0) return Tallyman(arguments);
    arguments.insert(arguments.begin(), TALLYMAN_PROGRAM);
    arguments.insert(arguments.begin(), somebody.begin(), somebody.end());
    return RunProgram("setpriv", arguments, {"PATH=/usr/bin:/bin"});
  };
  if (run({"--version"}).status != 0) GTEST_SKIP() << "nobody else can run the program here";
  const Ran ran = run({"org", "create", "b"});
  EXPECT_NE(ran.status, 0) << ran.out;
  EXPECT_LT(ran.status, 10);
  EXPECT_THAT(ran.err, AllOf(HasSubstr("error: "), HasSubstr(database())));
  EXPECT_EQ(Dump(), before);
}

TEST_F(BadDatabaseTest, ABackupNeverOverwrites) {
  CreateSmallFleet();
  const std::string there = Write("there", "precious");
  const Ran ran = Tallyman({"db", "backup", there});
  EXPECT_NE(ran.status, 0);
  EXPECT_EQ(Bytes(there), "precious");
  EXPECT_NE(Tallyman({"db", "backup", database()}).status, 0);
  EXPECT_EQ(Tallyman({"audit"}).status, 0);
}

}  // namespace
}  // namespace tallyman
