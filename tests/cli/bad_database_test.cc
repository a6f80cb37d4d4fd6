// Databases that are missing, of another kind, of another time, or not to be written.
#include <gmock/gmock.h>
#include <sys/stat.h>

#include <algorithm>
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

TEST_F(BadDatabaseTest, AnEmptyFileIsNoSoundDatabase) {
  const std::string path = PathOf(Write("broken-off.backup", ""));
  for (const std::vector<std::string>& words :
       {std::vector<std::string>{"db", "check"}, {"db", "backup", PathOf("of-nothing.backup")}}) {
    const Ran ran = With("sqlite:" + path, words);
    EXPECT_EQ(ran.status, 8) << ran.out;
    EXPECT_THAT(ran.err, AllOf(HasSubstr("DATABASE_EMPTY"), HasSubstr(path)));
  }
  EXPECT_EQ(Bytes(path), "");
  EXPECT_FALSE(std::filesystem::exists(PathOf("of-nothing.backup")));
}

TEST_F(BadDatabaseTest, APathIsOneWhateverItBeginsWith) {
  CreateSmallFleet();
  for (const char* name : {":memory:", "file:copy"}) {
    const Ran ran = RunProgram(
        "/bin/bash",
        {"-c", "cd " + PathOf("") + " && " TALLYMAN_PROGRAM " db backup " + name +
                   " && " TALLYMAN_PROGRAM " -q node list --db \"sqlite:./" + name + "\""},
        {"TALLYMAN_DB=sqlite:" + database(), "PATH=/usr/bin:/bin"});
    EXPECT_THAT(ran.out, HasSubstr("n-1\n")) << ran.err;
  }
}

TEST_F(BadDatabaseTest, ABackupThatIsReadStaysAsItIs) {
  CreateSmallFleet();
  const std::string path = PathOf("fleet.backup");
  Must({"db", "backup", path});
  const std::string before = Bytes(path);
  for (const std::vector<std::string>& words :
       {std::vector<std::string>{"db", "check"}, {"audit"}, {"node", "list"}, {"export"}}) {
    EXPECT_EQ(With("sqlite:" + path, words).status, 0);
    EXPECT_EQ(Bytes(path), before) << words[0];
  }
  // Until something is written.
  EXPECT_EQ(With("sqlite:" + path, {"org", "create", "b"}).status, 0);
  EXPECT_NE(Bytes(path), before);
  EXPECT_EQ(With("sqlite:" + path, {"db", "check"}).status, 0);
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

// A fleet whose files and directory its user may read and not write.
class ReadOnlyDatabaseTest : public BadDatabaseTest {
 protected:
  void SetUp() override {
    CreateSmallFleet();
    std::filesystem::create_directory(PathOf("theirs"));
    ::chmod(PathOf("theirs").c_str(), 0777);
    for (const char* suffix : {"", "-wal", "-shm"}) ::chmod((database() + suffix).c_str(), 0444);
    ::chmod(PathOf(".").c_str(), 0555);
    if (AsSomebody({"--version"}).status != 0)
      GTEST_SKIP() << "nobody else can run the program here";
  }
  void TearDown() override { ::chmod(PathOf(".").c_str(), 0755); }

  // The superuser may write what is read-only, so it is somebody else who tries.
  Ran AsSomebody(std::vector<std::string> arguments, const std::string& path = {}) const {
    arguments.insert(arguments.begin(), {"--db", "sqlite:" + (path.empty() ? database() : path)});
    if (::geteuid() != 0) return RunProgram(TALLYMAN_PROGRAM, arguments, {"PATH=/usr/bin:/bin"});
    arguments.insert(arguments.begin(),
                     {"--reuid=65534", "--regid=65534", "--clear-groups", TALLYMAN_PROGRAM});
    return RunProgram("setpriv", arguments, {"PATH=/usr/bin:/bin"});
  }
  std::vector<std::string> Files() const {
    std::vector<std::string> files;
    for (const auto& entry : std::filesystem::directory_iterator(PathOf(".")))
      files.push_back(entry.path().filename());
    std::ranges::sort(files);
    return files;
  }
};

TEST_F(ReadOnlyDatabaseTest, IsReadAndCopied) {
  const std::vector<std::string> before = Files();
  EXPECT_EQ(AsSomebody({"node", "list"}).out, Must({"node", "list"}).out);
  const std::string backup = PathOf("theirs/backup.db");
  for (const auto& arguments :
       std::vector<std::vector<std::string>>{{"audit"},
                                             {"ledger", "node", "n-1"},
                                             {"db", "check"},
                                             {"db", "backup", backup},
                                             {"db", "copy", "--from", "sqlite:" + database(),
                                              "--to", "sqlite:" + PathOf("theirs/copy.db")}}) {
    const Ran ran = AsSomebody(arguments);
    EXPECT_EQ(ran.status, 0) << arguments[0] << ran.err;
    EXPECT_EQ(ran.err.find("secret"), std::string::npos) << ran.err;
  }
  EXPECT_EQ(Files(), before) << "what reads leaves nothing";
  for (const std::string& copy : {backup, PathOf("theirs/copy.db")})
    EXPECT_EQ(AsSomebody({"-q", "node", "list"}, copy).out, "n-1\n") << copy;
}

TEST_F(ReadOnlyDatabaseTest, IsNotChangedAndTryingAgainIsNotAdvised) {
  const std::string before = Dump();
  for (const auto& arguments : std::vector<std::vector<std::string>>{
           {"org", "create", "b"}, {"db", "migrate"}, {"audit", "--repair", "--yes"}}) {
    const Ran ran = AsSomebody(arguments);
    EXPECT_EQ(ran.status, arguments[0] == "audit" ? 1 : 8) << arguments[0] << ran.out << ran.err;
    EXPECT_THAT(ran.err, AllOf(HasSubstr("DATABASE_READ_ONLY"), HasSubstr(database())));
  }
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
