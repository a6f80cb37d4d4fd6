// Upgrades from the command line to the container: what the books charge is what the kernel
// enforces, whatever becomes of them.
#include <gmock/gmock.h>

#include <fstream>

#include "agent/file.h"
#include "e2e/machine.h"

namespace tallyman {
namespace {

using testing::HasSubstr;

class FleetTest : public EndToEndTest {};

TEST_F(FleetTest, ThreeHostsAreUpgradedUpAndDown) {
  StartFleet(3);
  Publish({.number = "1.0.0", .cores = 1, .memory_mib = 64, .disk_mib = 32});
  Publish({.number = "2.0.0", .cores = 2, .memory_mib = 160, .disk_mib = 96});
  Publish({.number = "3.0.0", .cores = 1, .memory_mib = 96, .disk_mib = 48});
  const std::vector<std::string> nodes = {"a", "b", "c"};
  for (int i = 0; i < 3; ++i) Create(nodes[i], "h" + std::to_string(i + 1), "1.0.0");
  ASSERT_TRUE(AwaitSettled());
  CheckBooksAndMachine();
  for (const std::string& node : nodes) std::ofstream(Data(node, "chain")) << "genesis of " << node;

  for (const char* version : {"2.0.0", "3.0.0"}) {
    Upgrade(nodes, version);
    ASSERT_TRUE(AwaitSettled());
    CheckBooksAndMachine();
    for (const std::string& node : nodes) {
      EXPECT_TRUE(Runs(node, version)) << node;
      EXPECT_EQ(agent::ReadFile(Data(node, "chain")).value_or(""), "genesis of " + node);
    }
  }

  Must({"node", "delete", "b", "--yes"});
  ASSERT_TRUE(AwaitSettled());
  CheckBooksAndMachine();
  EXPECT_TRUE(std::filesystem::is_empty(Path("h2.data/nodes")));
}

TEST_F(FleetTest, WhatDoesNotWorkIsTakenBackOnTheMachineAndInTheBooks) {
  StartFleet(1);
  Publish({.number = "1.0.0"});
  Publish({.number = "2.0.0", .cores = 2, .memory_mib = 96, .image = {.script = "exit 1"}});
  Publish({.number = "3.0.0", .cores = 3, .disk_mib = 96, .image = {.health = "false"}});
  Must({"image", "create", "p/v@4.0.0", "--uri", "oci:/nowhere:4", "--cpu", "4", "--memory",
        "64MiB", "--disk", "32MiB"});
  const std::vector<std::string> nodes = {"a", "b", "c"};
  for (const std::string& node : nodes) Create(node, "h1", "1.0.0");
  ASSERT_TRUE(AwaitSettled());
  for (const std::string& node : nodes) std::ofstream(Data(node, "chain")) << "genesis";
  for (size_t i = 0; i < nodes.size(); ++i) Upgrade({nodes[i]}, std::to_string(i + 2) + ".0.0");
  ASSERT_TRUE(AwaitSettled());
  CheckBooksAndMachine();
  for (const std::string& node : nodes) {
    SCOPED_TRACE(node);
    EXPECT_EQ(LastCommandState(node), "REVERTED");
    EXPECT_TRUE(Runs(node, "1.0.0"));
    EXPECT_EQ(agent::ReadFile(Data(node, "chain")).value_or(""), "genesis");
  }
}

TEST_F(FleetTest, ABusyNodeIsUpgradedWhenItIsDone) {
  StartFleet(1);
  Publish({.number = "1.0.0"});
  Publish({.number = "2.0.0", .cores = 2});
  Create("a", "h1", "1.0.0");
  ASSERT_TRUE(AwaitSettled());
  // As a node does it, at /tallyman/jobs.
  const std::filesystem::path job =
      Data("a", "..").parent_path().parent_path().parent_path() / "jobs" / "blocking-job";
  std::ofstream(job) << "2 taking a snapshot\n";
  Upgrade({"a"}, "2.0.0");
  ASSERT_TRUE(Await([&] { return agent("h1").Log().find("blocking_job") != std::string::npos; }));
  ASSERT_TRUE(Await([&] { return LastCommandState("a") == "OPEN"; }));
  EXPECT_THAT(agent("h1").Log(), HasSubstr("taking a snapshot"));
  // The books are those of what is to come, and what runs is held.
  EXPECT_FALSE(Runs("a", "2.0.0"));
  std::filesystem::remove(job);
  ASSERT_TRUE(AwaitSettled());
  EXPECT_TRUE(Runs("a", "2.0.0"));
  EXPECT_EQ(LastCommandState("a"), "SETTLED");
  CheckBooksAndMachine();
}

TEST_F(FleetTest, ASecretReachesItsNodeAndNobodyElse) {
  constexpr const char* kSecret = "hunter2-of-a";
  const std::string script =
      "cat /tallyman/secrets/token >/data/token; trap 'exit 0' TERM; while :; do sleep 0.05; done";
  StartFleet(1);
  for (const char* version : {"1.0.0", "2.0.0"})
    Publish({.number = version, .image = {.script = script}, .secrets = {"token"}});
  ASSERT_TRUE(agent::WriteFileAtomically(Path("token"), kSecret, 0600));
  Must({"node", "create", "--image", "p/v@1.0.0", "--host", "h1", "--name", "a", "--set-file",
        "token=" + Path("token").string()});
  ASSERT_TRUE(AwaitSettled());
  const auto told = [&] { return agent::ReadFile(Data("a", "token")).value_or(""); };
  ASSERT_TRUE(Await([&] { return told() == kSecret; }));
  std::filesystem::remove(Data("a", "token"));
  Upgrade({"a"}, "2.0.0");
  ASSERT_TRUE(AwaitSettled());
  ASSERT_TRUE(Await([&] { return told() == kSecret; }));
  CheckBooksAndMachine();
  std::string said = Must({"node", "show", "a", "-o", "json"}).out;
  for (const char* noun : {"command", "node"}) said += Must({noun, "list", "-o", "json"}).out;
  said += Must({"events", "-o", "json"}).out + Must({"audit", "trail", "-o", "json"}).out;
  EXPECT_THAT(said, testing::Not(HasSubstr(kSecret)));
  EXPECT_THAT(server().Log(), testing::Not(HasSubstr(kSecret)));
  EXPECT_THAT(agent("h1").Log(), testing::Not(HasSubstr(kSecret)));
  Must({"node", "delete", "a", "--yes"});
  ASSERT_TRUE(AwaitSettled());
  CheckBooksAndMachine();
}

}  // namespace
}  // namespace tallyman
