// Agents and servers that are killed, hosts that are cut off, in the middle of upgrades.
#include <gmock/gmock.h>

#include <cstdlib>
#include <thread>

#include "base/checked.h"
#include "base/random.h"
#include "base/system.h"
#include "e2e/machine.h"

namespace tallyman {
namespace {

class HostFaultsTest : public EndToEndTest {
 protected:
  void StartNode() {
    StartFleet(1);
    Publish({.number = "1.0.0"});
    Publish({.number = "2.0.0", .cores = 2, .memory_mib = 96, .disk_mib = 64});
    Create("a", "h1", "1.0.0");
    ASSERT_TRUE(AwaitSettled());
    CheckBooksAndMachine();
  }
  bool AwaitTaken() {
    return Await([&] { return LastCommandState("a") == "TAKEN"; });
  }
};

TEST_F(HostFaultsTest, AnAgentThatIsKilledInTheMiddleOfAnUpgradeGoesOn) {
  ASSERT_NO_FATAL_FAILURE(StartNode());
  Upgrade({"a"}, "2.0.0");
  ASSERT_TRUE(AwaitTaken());
  agent("h1").Kill();
  StartAgent("h1");
  ASSERT_TRUE(AwaitSettled());
  EXPECT_TRUE(Runs("a", "2.0.0"));
  CheckBooksAndMachine();

  // Between two upgrades nothing shows that the agent is not there.
  EXPECT_EQ(agent("h1").Stop(), 0);
  CheckBooksAndMachine();
  Upgrade({"a"}, "1.0.0");
  EXPECT_EQ(LastCommandState("a"), "OPEN");
  StartAgent("h1");
  ASSERT_TRUE(AwaitSettled());
  EXPECT_TRUE(Runs("a", "1.0.0"));
  CheckBooksAndMachine();
}

TEST_F(HostFaultsTest, AHostThatIsCutOffCarriesOutWhatItTookAndCatchesUp) {
  ASSERT_NO_FATAL_FAILURE(StartNode());
  Upgrade({"a"}, "2.0.0");
  ASSERT_TRUE(AwaitTaken());
  SetLink("h1", false);
  // It says so to its own log only.
  ASSERT_TRUE(agent("h1").AwaitLog("upgrade of node"));
  ASSERT_TRUE(agent("h1").AwaitLog("control_plane_unreachable"));
  EXPECT_EQ(LastCommandState("a"), "TAKEN");
  SetLink("h1", true);
  ASSERT_TRUE(AwaitSettled());
  EXPECT_TRUE(Runs("a", "2.0.0"));
  CheckBooksAndMachine();

  SetLink("h1", false);
  Upgrade({"a"}, "1.0.0");
  EXPECT_EQ(LastCommandState("a"), "OPEN");
  SetLink("h1", true);
  ASSERT_TRUE(AwaitSettled());
  EXPECT_TRUE(Runs("a", "1.0.0"));
  CheckBooksAndMachine();
}

// TALLYMAN_KILLS: how often. TALLYMAN_SEED: which.
TEST_F(HostFaultsTest, NothingIsLostWhoeverIsKilledWheneverItIs) {
  const auto variable = [](const char* name) {
    const char* text = std::getenv(name);
    return ParseInt64(text == nullptr ? "" : text);
  };
  const uint64_t seed = static_cast<uint64_t>(
      variable("TALLYMAN_SEED").value_or(static_cast<int64_t>(SystemSeed() >> 1)));
  std::cout << "TALLYMAN_SEED=" << seed << "\n";
  SeededRandom random(seed);
  const int64_t kills = variable("TALLYMAN_KILLS").value_or(2);
  ASSERT_NO_FATAL_FAILURE(StartNode());
  std::string version = "1.0.0";
  for (int64_t kill = 0; kill < kills; ++kill) {
    SCOPED_TRACE("kill " + std::to_string(kill));
    version = version == "1.0.0" ? "2.0.0" : "1.0.0";
    Upgrade({"a"}, version);
    // Anywhere in the upgrade, which takes some two seconds.
    std::this_thread::sleep_for(std::chrono::milliseconds(random.Next() % 2500));
    const uint64_t what = random.Next();
    const bool cut = (what & 1) != 0;
    const bool kill_agent = (what & 2) != 0;
    const bool kill_server = (what & 4) != 0 || !kill_agent;
    if (cut) SetLink("h1", false);
    if (kill_agent) agent("h1").Kill();
    if (kill_server) {
      server().Kill();
      ASSERT_NO_FATAL_FAILURE(StartServer());
    }
    if (kill_agent) StartAgent("h1");
    if (cut) SetLink("h1", true);
    ASSERT_TRUE(AwaitSettled());
    EXPECT_TRUE(Runs("a", version));
    CheckBooksAndMachine();
    if (HasFailure()) return;
  }
}

}  // namespace
}  // namespace tallyman
