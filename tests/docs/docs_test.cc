// Every block of commands in README.md and docs/*.md, pasted whole as it stands there.
//
// The blocks of a document go, one after the other, into one fresh shell in a directory that has
// nothing but what a checkout has for them: the examples, and the program where `make build` puts
// it. The shell has a network, a /tmp and a /var/lib of its own. tests/docs/before/NAME.sh makes
// what a document takes for granted, such as a fleet.
//
// Blocks with a language other than sh are no commands. A block that cannot run here says why on
// the line before it: <!-- not run: REASON -->. A command that is to fail says so beside it:
// "# exit status 3".
#include <gmock/gmock.h>

#include <filesystem>
#include <fstream>
#include <regex>
#include <sstream>

#include "tests/cli/program.h"
#include "tests/support/temp_dir.h"

namespace tallyman {
namespace {

constexpr size_t kNotRun = 9;

struct Block {
  int line = 0;
  std::string text;
  std::string reason;  // why it is not run; "": it is
};

std::string Contents(const std::filesystem::path& path) {
  std::ostringstream text;
  text << std::ifstream(path).rdbuf();
  return text.str();
}

std::vector<Block> CommandsIn(const std::filesystem::path& document) {
  static const std::regex kMark("<!-- not run: (.*) -->");
  std::vector<Block> blocks;
  std::ifstream file(document);
  std::string before;
  bool in_block = false, in_commands = false;
  int number = 0;
  for (std::string line; std::getline(file, line); before = line) {
    ++number;
    if (line.starts_with("```")) {
      in_block = !in_block;
      in_commands = in_block && (line == "```" || line == "```sh");
      if (!in_commands) continue;
      std::smatch mark;
      blocks.push_back({.line = number + 1});
      if (std::regex_match(before, mark, kMark)) blocks.back().reason = mark[1];
    } else if (in_commands) {
      blocks.back().text += line + "\n";
    }
  }
  return blocks;
}

std::vector<std::string> Documents() {
  std::vector<std::string> names = {"README.md"};
  for (const auto& file : std::filesystem::directory_iterator(TALLYMAN_SOURCE_DIR "/docs")) {
    if (file.path().extension() == ".md")
      names.push_back("docs/" + file.path().filename().string());
  }
  std::ranges::sort(names);
  std::erase_if(names, [](const std::string& name) {
    return CommandsIn(std::filesystem::path(TALLYMAN_SOURCE_DIR) / name).empty();
  });
  return names;
}

// Makes the shell's surroundings, in namespaces of their own. $1 is the directory of the program,
// $2 that of the sources, $3 what is pasted, $4 where failed commands are noted.
constexpr const char* kRoom = R"(set -eu
exec 3<"$3" 4>>"$4"
ip link set lo up
mount -t tmpfs tmpfs /var/backups
mount -t tmpfs tmpfs /var/lib
cd /var/lib
mkdir -p tallyman home bin room/examples room/build/release
mount --bind "$2/examples" room/examples
mount --bind "$1" room/build/release
mount -t tmpfs tmpfs /tmp
ln -s /var/lib/room/build/release/tallyman bin
printf 'build:\n\t@echo "build: build/release/tallyman is ready"\n' >room/Makefile
cd room
exec env -i HOME=/var/lib/home USER=me LC_ALL=C.UTF-8 \
  PATH=/var/lib/bin:/usr/sbin:/usr/bin:/sbin:/bin bash --noprofile --norc -s <&3
)";

// What the shell reads before the document: it goes on after a failure, as at a terminal, and notes
// it.
constexpr const char* kBefore =
    "set -o pipefail\n"
    "trap 'trap - ERR; kill $(jobs -p) 2>/dev/null; wait' EXIT\n"
    "trap 'echo \"$? $BASH_COMMAND\" >&4' ERR\n";

std::vector<std::string> StatusesSaid(const std::vector<Block>& blocks) {
  static const std::regex kStatus("# .*exit status ([0-9]+)");
  std::vector<std::string> statuses;
  for (const Block& block : blocks) {
    if (!block.reason.empty()) continue;
    for (auto it = std::sregex_iterator(block.text.begin(), block.text.end(), kStatus);
         it != std::sregex_iterator(); ++it) {
      statuses.push_back((*it)[1]);
    }
  }
  return statuses;
}

TEST(Docs, BlocksThatAreNotRunSayWhyAndAreFew) {
  size_t not_run = 0;
  for (const std::string& name : Documents()) {
    for (const Block& block : CommandsIn(std::filesystem::path(TALLYMAN_SOURCE_DIR) / name))
      not_run += block.reason.empty() ? 0 : 1;
  }
  EXPECT_EQ(not_run, kNotRun) << "see that no block is marked that could run";
}

// What the README promises that its five minutes show.
void ExpectStory(const Ran& ran) {
  EXPECT_NE(ran.err.find("drift_found"), std::string::npos) << ran.err;
  const size_t upgraded = ran.out.find("Upgraded 2 nodes on 2 hosts: +48 cores");
  ASSERT_NE(upgraded, std::string::npos) << ran.out;
  EXPECT_NE(ran.out.find("\nBalanced: 240 hosts, 20 nodes", upgraded), std::string::npos)
      << ran.out;
}

class Commands : public testing::TestWithParam<std::string> {};

TEST_P(Commands, DoWhatTheDocumentSays) {
  const std::filesystem::path source = std::filesystem::path(TALLYMAN_SOURCE_DIR);
  const std::vector<Block> blocks = CommandsIn(source / GetParam());
  if (std::ranges::none_of(blocks, [](const Block& block) { return block.reason.empty(); })) return;
  const TempDir dir;
  const std::string pasted = (dir.path() / "pasted").string();
  const std::string failed = (dir.path() / "failed").string();
  const std::string stem = std::filesystem::path(GetParam()).stem().string();
  std::ofstream text(pasted);
  text << kBefore << Contents(source / "tests/docs/before" / (stem + ".sh"));
  for (const Block& block : blocks) {
    if (block.reason.empty())
      text << "echo; echo \"== line " << block.line << "\" | tee /dev/stderr\n"
           << block.text << "\n";
  }
  text.close();
  std::ofstream(failed).close();
  const Ran ran = RunProgram("unshare",
                             {"--map-root-user", "--net", "--mount", "--pid", "--fork",
                              "--mount-proc", "--kill-child", "/bin/bash", "-c", kRoom, "room",
                              std::filesystem::path(TALLYMAN_PROGRAM).parent_path().string(),
                              TALLYMAN_SOURCE_DIR, pasted, failed},
                             {"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C.UTF-8"});
  std::vector<std::string> statuses;
  std::istringstream lines(Contents(failed));
  for (std::string line; std::getline(lines, line);)
    statuses.push_back(line.substr(0, line.find(' ')));
  EXPECT_THAT(statuses, testing::ElementsAreArray(StatusesSaid(blocks)))
      << "commands that failed:\n"
      << Contents(failed) << "\n"
      << ran.out << ran.err;
  if (stem == "README") ExpectStory(ran);
}

INSTANTIATE_TEST_SUITE_P(Docs, Commands, testing::ValuesIn(Documents()), [](const auto& document) {
  return std::filesystem::path(document.param).stem().string();
});

}  // namespace

// What tests of the program need to know, and these do not use.
extern const bool kViaServer = false;

}  // namespace tallyman
