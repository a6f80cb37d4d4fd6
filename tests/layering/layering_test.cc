// Holds every file of src/ against the rules, and the rules against files that break them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "tests/layering/rules.h"
#include "tests/layering/source_text.h"

namespace tallyman::layering {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

namespace fs = std::filesystem;

std::string ReadFile(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  std::ostringstream text;
  text << in.rdbuf();
  return std::move(text).str();
}

TEST(Layering, EveryFileKeepsToItsEdges) {
  const fs::path root = TALLYMAN_SOURCE_DIR;
  int files = 0;
  for (const auto& entry : fs::recursive_directory_iterator(root)) {
    const std::string extension = entry.path().extension().string();
    if (!entry.is_regular_file() || (extension != ".cc" && extension != ".h")) {
      continue;
    }
    ++files;
    const std::string path = entry.path().lexically_relative(root).generic_string();
    for (const std::string& violation : Violations(path, ReadFile(entry.path()))) {
      ADD_FAILURE() << "src/" << path << ": " << violation;
    }
  }
  EXPECT_GT(files, 0) << "nothing was scanned below " << root;
}

struct Case {
  const char* path;
  const char* text;
  const char* complaint;
};

class LayeringRules : public ::testing::TestWithParam<Case> {};

TEST_P(LayeringRules, ReportsTheBreak) {
  EXPECT_THAT(Violations(GetParam().path, GetParam().text),
              ElementsAre(HasSubstr(GetParam().complaint)));
}

INSTANTIATE_TEST_SUITE_P(
    Breaks, LayeringRules,
    ::testing::Values(
        Case{"base/a.cc", "#include \"model/node.h\"\n", "may not include \"model/node.h\""},
        Case{"model/a.h", "#pragma once\n#  include \"planner/upgrade.h\"", "planner/upgrade.h"},
        Case{"planner/a.cc", "#include \"store/store.h\"\n", "store/store.h"},
        Case{"control/a.cc", "#include \"store/sqlite/tx.h\"\n", "store/sqlite/tx.h"},
        Case{"control/a.cc", "#include \"tallyman/v1/node.pb.h\"\n", "tallyman/v1/node.pb.h"},
        Case{"control/a.cc", "#include <google/protobuf/message.h>\n", "google/protobuf"},
        Case{"control/lots/a.cc", "#include \"control/control.h\"\n", "control/control.h"},
        Case{"control/a.cc", "#include \"control/nodes/nodes.h\"\n", "control/nodes/nodes.h"},
        Case{"control/reads/a.cc", "#include \"control/nodes/nodes.h\"\n", "control/nodes/nodes.h"},
        Case{"control/nodes/a.cc", "#include \"control/hosts/reports.h\"\n", "hosts/reports.h"},
        Case{"control/inventory/a.cc", "#include \"control/nodes/nodes.h\"\n",
             "control/nodes/nodes.h"},
        Case{"control/lots/a.cc", "#include \"store/sqlite/tx.h\"\n", "store/sqlite/tx.h"},
        Case{"cli/a.cc", "#include \"control/control.h\"\n", "control/control.h"},
        Case{"model/a_test.cc", "#include \"control/control.h\"\n", "control/control.h"},
        Case{"control/a.cc", "#include <sqlite3.h>\n", "sqlite3.h"},
        Case{"planner/a.cc", "#include \"zones/system_zones.h\"\n", "zones/system_zones.h"},
        Case{"planner/a.cc", "#include <absl/time/time.h>\n", "absl/time/time.h"},
        Case{"attic/a.cc", "int x;\n", "'attic' is not in the table"},
        Case{"planner/a.h", "namespace tallyman {\nint x;\n}\n", "is tallyman::planner"},
        Case{"model/a.h", "namespace tallyman::model {\nint x;\n}\n", "is tallyman"},
        Case{"store/sqlite/a.h", "namespace tallyman::store {\nint x;\n}",
             "tallyman::store::sqlite"},
        Case{"store/mysql/a.cc", "int x;\n", "'store/mysql' is not in the table"},
        Case{"control/a.cc", "auto t = std::chrono::system_clock::now();", "system_clock::now"},
        Case{"cli/a.cc", "const char* home = std::getenv(\"HOME\");", "getenv"},
        Case{"base/id.cc", "std::random_device seed;", "random_device"},
        Case{"base/id.cc", "int x = std::rand();", "rand("},
        Case{"control/a.cc", "Run(\"SELECT id FROM nodes WHERE x\");", "SQL outside store"},
        Case{"api/a.cc", "Run(R\"sql(\n  UPDATE hosts\n  SET x = 1)sql\");", "SQL outside store"}));

TEST(LayeringRules, AcceptsWhatIsAllowed) {
  EXPECT_THAT(Violations("store/sqlite/tx.cc",
                         "#include \"store/sqlite/tx.h\"\n#include \"sqlite/db.h\"\n"
                         "#include \"model/node.h\"\n#include <vector>\n"
                         "auto q = \"SELECT id FROM nodes WHERE x\";"),
              IsEmpty());
  EXPECT_THAT(Violations("main/main.cc", "#include \"store/sqlite/open.h\"\nstd::getenv(\"X\");"),
              IsEmpty());
  EXPECT_THAT(Violations("control/upgrade_test.cc", "#include \"store/sqlite/open.h\"\n"),
              IsEmpty());
  EXPECT_THAT(
      Violations("control/a.cc",
                 "namespace tallyman::store {\nclass ReadTx;\n}\nnamespace tallyman::control {}\n"
                 "// std::getenv and #include \"main/x.h\" in a comment\n"
                 "/* #include \"main/x.h\"\n*/ auto s = \"Update the image from a file\";\n"
                 "auto t = \"getenv\"; int strand(int); auto h = env.getenv(\"HOME\"); int "
                 "n = 1'000'000;"),
      IsEmpty());
}

TEST(SourceText, TellsCodeFromLiteralsAndComments) {
  const SourceText source = ReadSource(
      "#include \"a/b.h\"  // why\n#include <vector>\nauto x = \"a\\\"b\" + R\"(c\"d)\"; /* e */\n"
      "char c = '\"'; int n = 1'000;\n");
  EXPECT_THAT(source.own_includes, ElementsAre("a/b.h"));
  EXPECT_THAT(source.library_includes, ElementsAre("vector"));
  EXPECT_THAT(source.literals, ElementsAre("a/b.h", "a\\\"b", "c\"d"));
  EXPECT_EQ(source.code,
            "#include \"\"  \n#include <vector>\nauto x = \"\" + \"\"; \nchar c = ''; "
            "int n = 1'000;\n");
}

}  // namespace
}  // namespace tallyman::layering
