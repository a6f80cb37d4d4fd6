// A server that is away for a while.
#include <csignal>
#include <fstream>
#include <memory>
#include <regex>
#include <sstream>

#include "outages/outage.h"
#include "tests/cli/program.h"
#include "tests/support/wait.h"

namespace tallyman {
namespace {

using testing::HasSubstr;
using testing::Not;

constexpr const char* kWaits = "waiting for the server (SERVER_UNREACHABLE), ";
// How long it has waited when it says so first depends on how busy the machine is.
constexpr const char* kOfItsTimeout = " s of 60 s";

class ServerOutage : public testing::Test {
 protected:
  ServerOutage() {
    server.KeepPort();
    EXPECT_TRUE(server.Start()) << server.Log();
    url = server.Url();
  }
  std::vector<std::string> Environment() const {
    return {"TALLYMAN_SERVER=" + url, "TALLYMAN_TOKEN=" + server.token(), "PATH=/usr/bin:/bin"};
  }
  Ran Run(const std::vector<std::string>& arguments) const {
    return RunProgram(TALLYMAN_PROGRAM, arguments, Environment());
  }
  std::string Kill() {
    server.Signal(SIGKILL);
    server.Wait();
    return url;
  }
  // How many rows the server's database has, read beside it.
  int Count(const std::string& table) const {
    const Ran ran = RunProgram(
        "sqlite3",
        {"-cmd", ".timeout 5000", server.PathOf("fleet.db"), "SELECT count(*) FROM " + table},
        {"PATH=/usr/bin:/bin"});
    return ran.out.empty() ? -1 : std::stoi(ran.out);
  }

  ServerProcess server;
  std::string url;
};

TEST_F(ServerOutage, ACallWaitsForAServerThatIsStartedLate) {
  Kill();
  RunningCommand list({"org", "list", "--timeout", "60s"}, Environment());
  ASSERT_TRUE(list.AwaitSaid(kWaits)) << list.Said();
  EXPECT_TRUE(list.AwaitSaid(kOfItsTimeout)) << list.Said();
  ASSERT_TRUE(server.Start()) << server.Log();
  EXPECT_EQ(list.Wait(), 0) << list.Said();
  EXPECT_THAT(list.Said(), HasSubstr("There are no orgs;"));
}

TEST_F(ServerOutage, ACallUsesItsTimeoutWholeAndThenSaysWhy) {
  Kill();
  const auto begun = std::chrono::steady_clock::now();
  const Ran ran = Run({"org", "list", "--timeout", "3s"});
  // Far beyond any number of attempts that is the same for every timeout.
  EXPECT_GT(std::chrono::steady_clock::now() - begun, std::chrono::milliseconds(2700));
  EXPECT_EQ(ran.status, 9);
  EXPECT_THAT(ran.err, HasSubstr("reason: SERVER_UNREACHABLE"));
  EXPECT_THAT(ran.err, Not(HasSubstr("may not have happened")));
}

// Whether something has come to the port that nobody has read.
bool HasUnread(uint16_t port) {
  std::ifstream sockets("/proc/net/tcp");
  char ending[8];
  std::snprintf(ending, sizeof ending, ":%04X", port);
  std::string line;
  std::getline(sockets, line);
  while (std::getline(sockets, line)) {
    std::istringstream words(line);
    std::string number, local, remote, state, queues;
    words >> number >> local >> remote >> state >> queues;
    constexpr const char* kEstablished = "01";
    if (state == kEstablished && local.ends_with(ending) && !queues.ends_with(":00000000"))
      return true;
  }
  return false;
}

TEST_F(ServerOutage, AChangeIsMadeOnceByAServerThatDiesInTheMiddleOfIt) {
  server.Signal(SIGSTOP);
  RunningCommand create({"org", "create", "acme", "--timeout", "60s"}, Environment());
  ASSERT_TRUE(WaitUntil([&] { return HasUnread(server.port()); })) << create.Said();
  Kill();
  ASSERT_TRUE(create.AwaitSaid("waiting for the server")) << create.Said();
  ASSERT_TRUE(server.Start()) << server.Log();
  EXPECT_EQ(create.Wait(), 0) << create.Said();
  EXPECT_EQ(Count("orgs"), 1);
}

TEST_F(ServerOutage, AnAnswerThatIsLostIsSaidToBeEvenIfTheServerIsAwayAfterIt) {
  server.Signal(SIGSTOP);
  RunningCommand create({"org", "create", "acme", "--timeout", "4s", "--request-id", "r-1"},
                        Environment());
  ASSERT_TRUE(WaitUntil([&] { return HasUnread(server.port()); })) << create.Said();
  Kill();
  EXPECT_EQ(create.Wait(), 9) << create.Said();
  EXPECT_THAT(create.Said(), HasSubstr("ANSWER_LOST"));
  EXPECT_THAT(create.Said(), HasSubstr("repeat the command with --request-id r-1"));
}

TEST_F(ServerOutage, AnApplyGoesOnWhenItsServerIsBack) {
  const std::string file = server.PathOf("fleet.yaml");
  std::ofstream(file) << "orgs: [a, b, c]\n";
  server.Signal(SIGSTOP);
  RunningCommand apply({"apply", "-f", file, "--timeout", "60s"}, Environment());
  ASSERT_TRUE(WaitUntil([&] { return HasUnread(server.port()); })) << apply.Said();
  Kill();
  ASSERT_TRUE(apply.AwaitSaid("waiting for the server")) << apply.Said();
  ASSERT_TRUE(server.Start()) << server.Log();
  EXPECT_EQ(apply.Wait(), 0) << apply.Said();
  EXPECT_EQ(Count("orgs"), 3);
  EXPECT_EQ(Count("events WHERE kind = 'org_created'"), 3);
}

class FollowerOutage : public ServerOutage {
 protected:
  FollowerOutage() {
    const Ran made = Run({"-q", "token", "create", "eye", "--role", "viewer"});
    token_ = made.out.substr(0, made.out.find('\n'));
    CreateOrgs("before");
    follower = std::make_unique<RunningCommand>(
        std::vector<std::string>{"events", "--follow", "--after", "0"},
        std::vector<std::string>{"TALLYMAN_SERVER=" + url, "TALLYMAN_TOKEN=" + token_});
    EXPECT_TRUE(follower->AwaitSaid("org before-2 ")) << follower->Said();
  }
  void CreateOrgs(const std::string& prefix) const {
    for (int i = 0; i < 3; ++i)
      EXPECT_EQ(Run({"org", "create", prefix + "-" + std::to_string(i)}).status, 0);
  }
  void Sql(const std::string& script) const {
    const Ran ran =
        RunProgram("sqlite3", {"-bail", server.PathOf("fleet.db"), script}, {"PATH=/usr/bin:/bin"});
    EXPECT_EQ(ran.status, 0) << ran.err;
  }
  // Those of events about orgs, in order.
  static std::vector<std::string> OrgsIn(const std::string& text) {
    static const std::regex kOrg("org ([a-z]+-[0-9]) ");
    std::vector<std::string> orgs;
    for (auto it = std::sregex_iterator(text.begin(), text.end(), kOrg);
         it != std::sregex_iterator(); ++it) {
      orgs.push_back((*it)[1]);
    }
    return orgs;
  }

  std::string token_;
  std::unique_ptr<RunningCommand> follower;
};

TEST_F(FollowerOutage, AFollowerGoesOnWhereItWas) {
  for (const std::string round : {"first", "second"}) {
    CreateOrgs(round);
    Kill();
    ASSERT_TRUE(follower->AwaitSaid("waiting for the server (")) << follower->Said();
    ASSERT_TRUE(server.Start()) << server.Log();
    CreateOrgs(round == "first" ? "later" : "last");
  }
  ASSERT_TRUE(follower->AwaitSaid("org last-2 ")) << follower->Said();
  follower->Signal(SIGKILL);
  follower->Wait();
  EXPECT_THAT(follower->Said(), HasSubstr("following again"));
  const std::vector<std::string> all = OrgsIn(Run({"events"}).out);
  EXPECT_EQ(all.size(), 15u);
  EXPECT_EQ(OrgsIn(follower->Said()), all);
}

TEST_F(FollowerOutage, AFollowerEndsWhenItsTokenWasRevoked) {
  Kill();
  ASSERT_TRUE(follower->AwaitSaid("waiting for the server (")) << follower->Said();
  EXPECT_EQ(RunProgram(TALLYMAN_PROGRAM, {"token", "revoke", "eye", "--db", server.dsn()},
                       {"PATH=/usr/bin:/bin"})
                .status,
            0);
  ASSERT_TRUE(server.Start()) << server.Log();
  EXPECT_EQ(follower->Wait(), 6) << follower->Said();
}

TEST_F(FollowerOutage, AFollowerEndsWhenWhatItShowedDidNotHappen) {
  Kill();
  ASSERT_TRUE(follower->AwaitSaid("waiting for the server (")) << follower->Said();
  Sql("UPDATE events SET request_id = 'other' WHERE cursor = (SELECT max(cursor) FROM events)");
  ASSERT_TRUE(server.Start()) << server.Log();
  EXPECT_NE(follower->Wait(), 0) << follower->Said();
  EXPECT_THAT(follower->Said(), HasSubstr("HISTORY_CHANGED"));
}

TEST_F(FollowerOutage, AFollowerEndsWhenItIsAheadOfTheHistory) {
  Kill();
  ASSERT_TRUE(follower->AwaitSaid("waiting for the server (")) << follower->Said();
  Sql("DELETE FROM events WHERE cursor > 2; UPDATE sqlite_sequence SET seq = 2 WHERE name = "
      "'events'");
  ASSERT_TRUE(server.Start()) << server.Log();
  EXPECT_NE(follower->Wait(), 0) << follower->Said();
  EXPECT_THAT(follower->Said(), HasSubstr("INVALID_CURSOR"));
}

}  // namespace

// What tests of the program need to know, and these do not use.
extern const bool kViaServer = false;

}  // namespace tallyman
