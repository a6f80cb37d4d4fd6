// The README's five minutes, as a newcomer types them.
#include <fstream>
#include <sstream>

#include "tests/cli/program.h"

namespace tallyman {
namespace {

// The commands of the section, with what differs here put in: the program and the database. What is
// said to end with status 3 must.
std::string Script(const std::string& database) {
  std::ifstream readme(TALLYMAN_SOURCE_DIR "/README.md");
  std::filesystem::path program = TALLYMAN_PROGRAM;
  std::ostringstream script;
  script << "set -e\ncd " << TALLYMAN_SOURCE_DIR << "\nexport TALLYMAN_DB=sqlite:" << database
         << " PATH=" << program.parent_path().string() << ":$PATH\n";
  bool in_section = false, in_block = false;
  for (std::string line; std::getline(readme, line);) {
    if (line.starts_with("## ")) in_section = line == "## Five minutes";
    if (line == "```") {
      in_block = !in_block;
    } else if (in_section && in_block && line != "make build" && !line.starts_with("export ")) {
      if (size_t at = line.find("/tmp/fleet.db"); at != std::string::npos) {
        line.replace(at, 13, database);
      }
      bool drifted = line.find("# exit status 3") != std::string::npos;
      script << (drifted ? "set +e\n" : "") << line << '\n'
             << (drifted ? "test $? = 3 || exit 99\nset -e\n" : "");
    }
  }
  return script.str();
}

using ReadmeTest = ProgramTest;

TEST_F(ReadmeTest, TheFiveMinutesWorkAsWritten) {
  std::string script = Script(database());
  ASSERT_NE(script.find("tallyman node upgrade"), std::string::npos);
  Ran ran = RunProgram("/bin/bash", {"-c", script}, {"PATH=/usr/bin:/bin", "LC_ALL=C.UTF-8"});
  EXPECT_EQ(ran.status, 0) << ran.out << ran.err;
  EXPECT_NE(ran.err.find("drift_found"), std::string::npos) << ran.err;
  const size_t upgraded = ran.out.find("Upgraded 2 nodes on 2 hosts: +48 cores");
  ASSERT_NE(upgraded, std::string::npos) << ran.out;
  EXPECT_NE(ran.out.find("\nBalanced: 240 hosts, 20 nodes", upgraded), std::string::npos)
      << ran.out;
}

}  // namespace
}  // namespace tallyman
