// Where answers cannot go: outputs that are closed, full, or read by nobody.
#include <gmock/gmock.h>

#include "server/server_process.h"
#include "support/child_process.h"
#include "tests/cli/program.h"

namespace tallyman {
namespace {

using testing::AllOf;
using testing::HasSubstr;

class OutputTest : public ProgramTest {
 protected:
  void SetUp() override { CreateSmallFleet(); }

  // A script in which `tallyman` is the program, on this test's fleet.
  Ran Shell(const std::string& script) const {
    const std::string programs = std::filesystem::path(TALLYMAN_PROGRAM).parent_path().string();
    std::vector<std::string> environment = {"PATH=" + programs + ":/usr/bin:/bin"};
    if (kViaServer) {
      environment.push_back("TALLYMAN_SERVER=" + server().Url());
      environment.push_back("TALLYMAN_TOKEN=" + server_token());
    } else {
      environment.insert(environment.end(),
                         {"TALLYMAN_DB=sqlite:" + database(), "TALLYMAN_ACTOR=tester"});
    }
    return RunProgram("/bin/bash", {"-c", "cd " + PathOf("") + "\n" + script}, environment);
  }
  // The standard output of a command, as descriptor 4, is a pipe that nobody reads.
  static std::string Unread(const std::string& command) {
    return "mkfifo pipe; exec 3<>pipe 4>pipe 3<&-; " + command + " >&4";
  }
  std::string Orgs() const { return Sql("SELECT group_concat(name) FROM orgs"); }
};

TEST_F(OutputTest, WithAClosedOutputNothingIsDone) {
  for (const char* closed : {">&-", "<&- >&- ", "<&- >&- 2>&-"}) {
    const Ran ran = Shell("tallyman org create beta " + std::string(closed));
    EXPECT_EQ(ran.status, 8) << closed << ran.err;
    EXPECT_EQ(ran.out, "");
  }
  EXPECT_THAT(Shell("tallyman org list >&-").err, HasSubstr("OUTPUT_CLOSED"));
  EXPECT_EQ(Shell("tallyman --help >&-").status, 1);
  EXPECT_EQ(Orgs(), "acme\n");
  EXPECT_EQ(Shell("tallyman org create beta <&- 2>&-").status, 0) << "it needs neither";
  Must({"db", "check"});
}

TEST_F(OutputTest, WhatCannotBeWrittenIsSaidWithTheWayToSeeIt) {
  const Ran full = Shell("tallyman org create beta --request-id once >/dev/full");
  EXPECT_EQ(full.status, 1);
  EXPECT_THAT(full.err, AllOf(HasSubstr("OUTPUT_FAILED"), HasSubstr("CreateOrg was carried out"),
                              HasSubstr("--request-id once")));
  EXPECT_THAT(Must({"org", "create", "beta", "--request-id", "once"}).out, HasSubstr("beta"));
  EXPECT_EQ(Orgs(), "acme,beta\n");
  const Ran unread = Shell(Unread("tallyman org create gamma"));
  EXPECT_EQ(unread.status, 1);
  EXPECT_THAT(unread.err, HasSubstr("CreateOrg was carried out"));
  EXPECT_EQ(Orgs(), "acme,beta,gamma\n");
}

TEST_F(OutputTest, WhatWasDoneWithoutARequestIsSaidToo) {
  const Ran ran = Shell("unset TALLYMAN_SERVER; tallyman db backup copy --db sqlite:" + database() +
                        " >/dev/full");
  EXPECT_EQ(ran.status, 1);
  EXPECT_THAT(ran.err, HasSubstr("it was done, but the answer could not be written to standard "
                                 "output: Backed up to copy."));
  EXPECT_TRUE(std::filesystem::exists(PathOf("copy")));
}

TEST_F(OutputTest, AReaderThatHasSeenEnoughIsNoError) {
  const Ran ran = Shell(Unread("tallyman org list"));
  EXPECT_EQ(ran.status, 141);
  EXPECT_EQ(ran.err, "");
}

TEST_F(OutputTest, AFollowerEndsWithItsReaderThoughNothingHappens) {
  const Ran ran = Shell(
      "tallyman events --follow --tail 2 --kind node_created | head -1; echo ${PIPESTATUS[0]}");
  EXPECT_THAT(ran.out, testing::MatchesRegex("[^\n]*node n-1 [^\n]*\n141\n"));
  EXPECT_EQ(ran.err, "");
}

TEST_F(OutputTest, AFullDiskIsAnErrorThoughNothingWasChanged) {
  for (const char* words : {"org list", "org list -o json", "--help", "--version", "version"}) {
    const Ran ran = Shell("tallyman " + std::string(words) + " >/dev/full");
    EXPECT_EQ(ran.status, 1) << words;
    EXPECT_THAT(ran.err, HasSubstr("nothing was changed")) << words;
  }
}

TEST_F(OutputTest, ASecretThatWasNotShownCanBeMadeAgain) {
  const Ran ran = Shell("tallyman token create ci --role viewer >/dev/full");
  EXPECT_EQ(ran.status, 1);
  const size_t advice = ran.err.find("tallyman token revoke ");
  ASSERT_NE(advice, std::string::npos) << ran.err;
  const Ran again = Shell(ran.err.substr(advice, ran.err.find('"', advice) - advice) +
                          " && tallyman -q token create ci --role viewer");
  EXPECT_EQ(again.status, 0) << again.err;
  EXPECT_THAT(again.out, HasSubstr("tally"));
}

// Whatever it opens later would get the numbers, and what it logs would be written there.
TEST_F(OutputTest, AServerWithoutDescriptorsOpensThemFirst) {
  ChildProcess server(PathOf("other.log"));
  const std::string dsn = "sqlite:" + PathOf("other.db");
  server.Start({"/bin/bash", "-c", "exec \"$0\" \"$@\" <&- >&- 2>&-", TALLYMAN_PROGRAM, "server",
                "--db", dsn, "--listen", "127.0.0.1:0"});
  ASSERT_TRUE(WaitUntil([&] { return std::filesystem::exists(PathOf("other.db.admin-token")); }));
  for (const char* descriptor : {"0", "1", "2"}) {
    std::error_code failed;
    const auto opened = std::filesystem::read_symlink(
        "/proc/" + std::to_string(server.pid()) + "/fd/" + descriptor, failed);
    EXPECT_EQ(opened, "/dev/null") << descriptor;
  }
  EXPECT_EQ(server.Stop(), 0);
}

}  // namespace
}  // namespace tallyman
