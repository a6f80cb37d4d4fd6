// Words that say how things stand: status, top, whoami.
#include <gmock/gmock.h>

#include "tests/cli/program.h"

namespace tallyman {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

class StatusTest : public ProgramTest {};

TEST_F(StatusTest, AWellFleetEndsWithZero) {
  CreateSmallFleet();
  const Ran ran = Tallyman({"status"});
  EXPECT_EQ(ran.status, 0) << ran.err;
  EXPECT_THAT(ran.out, AllOf(HasSubstr("2: 2 never heard"), HasSubstr("1: 1 starting"),
                             HasSubstr("1 open; the oldest open one is from 20"),
                             HasSubstr("agree with the nodes on every host"),
                             HasSubstr("The fleet is well.\n"), Not(HasSubstr("NOT WELL"))));
  EXPECT_EQ(Must({"-q", "status"}).out, "The fleet is well.\n");
}

TEST_F(StatusTest, WhatIsNotWellIsNamedWithACommandThatShowsIt) {
  CreateSmallFleet();
  Must({"node", "create", "n-2", "--image", "p/v@1.0.0", "--host", "h2"});
  Sql("UPDATE nodes SET node_state = 'failed' WHERE name = 'n-2';"
      "UPDATE hosts SET silent_since = created_at, node_cpu_cores = node_cpu_cores + 1,"
      " disk_bytes = 5 WHERE name = 'h1';"
      "INSERT INTO host_reports (host_id, sequence, heard_at, problem)"
      " SELECT id, 1, 1, 'x' FROM hosts WHERE name = 'h2';"
      "INSERT INTO node_reports (host_id, node_id, image_uri, container_id, run_state, health,"
      " cpu_cores, memory_bytes, disk_bytes, pending, remains, changed_at, problem)"
      " SELECT host_id, id, '', '', 'running', 'unhealthy', 0, 0, 0, 0, 0, 1, 'y' FROM nodes"
      " WHERE name = 'n-1';"
      "UPDATE commands SET created_at = 5;"
      "UPDATE commands SET state = 'unknown'"
      " WHERE node_id = (SELECT id FROM nodes WHERE name = 'n-1');");
  const Ran ran = Tallyman({"status"});
  EXPECT_EQ(ran.status, 10) << ran.err;
  EXPECT_THAT(ran.out, HasSubstr("The fleet is not well: 10 concerns.\n"));
  // What is shown is what was counted.
  for (const auto& [said, command, shown] :
       std::vector<std::tuple<std::string, std::vector<std::string>, std::string>>{
           {"1 host is silent", {"host", "list", "--filter", "liveness=silent"}, "h1\n"},
           {"1 host was never heard", {"host", "list", "--filter", "liveness=never_heard"}, "h2\n"},
           {"1 host carries more", {"host", "list", "--filter", "over_capacity=yes"}, "h1\n"},
           {"1 host reports a problem", {"host", "list", "--filter", "has_problem=yes"}, "h2\n"},
           {"1 node has failed", {"node", "list", "--state", "failed"}, "n-2\n"},
           {"1 node is unhealthy", {"node", "list", "--filter", "unwell=yes"}, "n-1\n"}}) {
    std::string line = "tallyman";
    for (const std::string& word : command) line += " " + word;
    EXPECT_THAT(ran.out, AllOf(HasSubstr(said), HasSubstr(line)));
    std::vector<std::string> quietly = command;
    quietly.insert(quietly.begin(), "-q");
    EXPECT_EQ(Must(quietly).out, shown);
  }
  EXPECT_EQ(Tallyman({"audit"}).status, 3);
  EXPECT_THAT(Must({"command", "list", "--state", "unknown"}).out, HasSubstr("n-1"));
  EXPECT_THAT(
      Must({"command", "list", "--state", "open", "--order-by", "created_at", "--limit", "20"}).out,
      HasSubstr("n-2"));
  EXPECT_THAT(ran.out, AllOf(HasSubstr("1 command is in doubt"),
                             HasSubstr("1 command was not taken for more than 10 minutes"),
                             HasSubstr("1 node has a problem"), HasSubstr("  tallyman audit\n")));
  const Ran json = Tallyman({"status", "-o", "json"});
  EXPECT_EQ(json.status, 10);
  EXPECT_THAT(json.out, AllOf(HasSubstr("\"HOSTS_SILENT\""), HasSubstr("\"drifted\": \"1\"")));
}

TEST_F(StatusTest, OfAnOrgIsWhatItHas) {
  CreateSmallFleet();
  Must({"org", "create", "beta"});
  EXPECT_THAT(Must({"status", "--org", "beta"}).out,
              AllOf(HasSubstr("hosts     0"), HasSubstr("none is under way")));
  EXPECT_THAT(Must({"status", "--org", "acme"}).out, HasSubstr("hosts     1: 1 never heard"));
  EXPECT_EQ(Tallyman({"status", "--org", "zz"}).status, 4);
}

TEST_F(StatusTest, TheFullestHostsComeFirst) {
  CreateSmallFleet();
  // h1: 8 of 32 cores, 16 of 128 GB, 1 of 8 TB. A small host, on which most of the disk is taken.
  Must({"host", "create", "h3", "--region", "eu", "--cpu", "64", "--memory", "1TB", "--disk",
        "2TB"});
  Must({"node", "create", "n-3", "--image", "p/v@1.0.0", "--host", "h3"});
  EXPECT_EQ(Must({"-q", "top"}).out, "h3\nh1\nh2\n") << "50% of a disk, 25% of the cores";
  EXPECT_EQ(Must({"-q", "top", "--by", "cpu"}).out, "h1\nh3\nh2\n");
  EXPECT_EQ(Must({"-q", "top", "--by", "memory", "--limit", "1"}).out, "h1\n");
  const std::string table = Must({"top", "--region", "eu"}).out;
  EXPECT_THAT(table,
              testing::ContainsRegex("h3 .* 1 +12% +8 +64 +1% +16 GB +1 TB +50% +1 TB +2 TB"));
  EXPECT_EQ(Tallyman({"top", "--by", "gpu"}).status, 2);
  Must({"node", "upgrade", "n-1", "--image", "p/v@2.0.0"});
  EXPECT_EQ(Must({"-q", "top", "--nodes"}).out, "n-1\nn-3\n");
  EXPECT_EQ(Must({"-q", "top", "--nodes", "--by", "disk", "--limit", "1"}).out, "n-1\n");
  EXPECT_THAT(Must({"top", "-o", "json"}).out, HasSubstr("\"hosts\": ["));
}

TEST_F(StatusTest, WhoCallsIsTold) {
  Must({"db", "migrate"});
  const std::string said = Must({"whoami"}).out;
  EXPECT_THAT(said, AllOf(HasSubstr("tester"), HasSubstr("admin of all orgs")));
  EXPECT_THAT(said, HasSubstr(kViaServer ? "expires" : "the database itself is open to you"));
  EXPECT_EQ(Must({"-q", "whoami"}).out, "tester\n");
  const std::string json = Must({"whoami", "-o", "json"}).out;
  EXPECT_THAT(json, HasSubstr("\"ROLE_ADMIN\""));
  EXPECT_EQ(json.find("\"token\": {") != std::string::npos, kViaServer);
}

}  // namespace
}  // namespace tallyman
