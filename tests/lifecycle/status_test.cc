// Contract: what a status changes, and what it leaves alone.
#include <fmt/core.h>

#include "lifecycle/host.h"

namespace tallyman {
namespace {

class Statuses : public Lifecycle {
 protected:
  v1::HandedCommand TakeAndLose() {
    Upgrade("3.0.0");
    v1::HandedCommand command = host->Take("n");
    EXPECT_EQ(host->Say(command, v1::OUTCOME_RESULT_INTERNAL_ERROR), "");
    EXPECT_EQ(StateOf(command), v1::COMMAND_STATE_UNKNOWN);
    EXPECT_EQ(N().node_state(), v1::NODE_STATE_FAILED);
    EXPECT_EQ(HeldCores(), 1);
    return command;
  }
};

// A host must not fill the database with nodes that do not exist, complete or not.
TEST_F(Statuses, OfNodesThatAreNotItsOwnAFewAreKeptAndAllAreCounted) {
  auto reports = [&] {
    // Each row of node_reports has the text that every node of these reports has.
    const std::string dump = room.Dump();
    size_t rows = 0;
    for (size_t at = dump.find("docker://odd"); at != std::string::npos;
         at = dump.find("docker://odd", at + 1))
      ++rows;
    return rows;
  };
  auto flood = [&](int from, int count, bool complete) {
    v1::ReportRequest request;
    request.mutable_status()->set_complete(complete);
    for (int i = from; i < from + count; ++i) {
      v1::NodeStatus& node = *request.mutable_status()->add_nodes();
      node.set_node_id(fmt::format("00000000-0000-7000-8000-{:012}", i));
      node.set_image_uri("docker://odd");
      node.set_problem(std::string(900, 'p'));
      node.mutable_last_end()->set_output("last words");
      node.set_run_state(v1::RUN_STATE_RUNNING);
    }
    v1::NodeStatus& own = *request.mutable_status()->add_nodes();
    own.set_node_id(Id());
    own.set_config_id(first);
    own.set_image_uri("docker://odd");
    own.set_run_state(v1::RUN_STATE_RUNNING);
    host->Report(request);
  };
  flood(0, 300, false);
  EXPECT_EQ(reports(), 101u);
  EXPECT_EQ(room.Host("host-1").reported().unknown_nodes(), 300);
  flood(1000, 250, false);
  EXPECT_EQ(reports(), 101u) << "those that are not named again are forgotten";
  EXPECT_EQ(room.Host("host-1").reported().unknown_nodes(), 250);
  EXPECT_FALSE(room.Dump().contains("last words")) << "of strangers only what an audit compares";
  EXPECT_FALSE(room.Dump().contains(std::string(900, 'p')));
  flood(2000, 3, true);
  EXPECT_EQ(reports(), 4u);
  flood(0, 0, true);
  EXPECT_EQ(reports(), 1u);
  EXPECT_EQ(room.Host("host-1").reported().unknown_nodes(), 0);
}

TEST_F(Statuses, WordsOfAHostAreCut) {
  v1::ReportRequest request;
  request.mutable_status()->set_agent_version(std::string(5000, 'v'));
  v1::NodeStatus& own = *request.mutable_status()->add_nodes();
  own.set_node_id(Id());
  own.set_config_id(first);
  own.set_run_state(v1::RUN_STATE_RUNNING);
  own.set_image_uri(std::string(5000, 'u'));
  own.set_container_id(std::string(5000, 'c'));
  host->Report(request);
  EXPECT_EQ(room.Host("host-1").reported().agent_version().size(), 200u);
  const std::string dump = room.Dump();
  EXPECT_TRUE(dump.contains(std::string(1024, 'u')));
  EXPECT_FALSE(dump.contains(std::string(1025, 'u')));
  EXPECT_TRUE(dump.contains(std::string(200, 'c')));
  EXPECT_FALSE(dump.contains(std::string(201, 'c')));
}

// "While anything of the node is pending at the host, a status changes neither running_config_id
// nor an unknown transition."
TEST_F(Statuses, WhatIsInMotionIsLeftAlone) {
  v1::HandedCommand command = TakeAndLose();
  const v1::Node before = N();
  host->Status(Id(), "", {.pending = true});
  host->Status(Id(), command.config_id(), {.pending = true});
  EXPECT_EQ(StateOf(command), v1::COMMAND_STATE_UNKNOWN);
  EXPECT_EQ(N().running_config_id(), first);
  EXPECT_EQ(N().version(), before.version());
  EXPECT_EQ(HeldCores(), 1);
}

// "unknown: ... settled or reverted when a status says what runs and that nothing of the node is
// pending"
TEST_F(Statuses, AtRestWithTheTargetRunningTheUnknownIsSettled) {
  v1::HandedCommand command = TakeAndLose();
  host->Status(Id(), command.config_id());
  EXPECT_EQ(StateOf(command), v1::COMMAND_STATE_SETTLED);
  EXPECT_EQ(N().node_state(), v1::NODE_STATE_RUNNING);
  EXPECT_EQ(HeldCores(), 0);
  EXPECT_EQ(CountEvents("upgrade_succeeded"), 1u);
}

TEST_F(Statuses, AtRestWithTheOldOneRunningTheUnknownIsReverted) {
  v1::HandedCommand command = TakeAndLose();
  host->Status(Id(), first);
  EXPECT_EQ(StateOf(command), v1::COMMAND_STATE_REVERTED);
  EXPECT_EQ(N().config_id(), first);
  EXPECT_EQ(N().node_state(), v1::NODE_STATE_RUNNING);
  EXPECT_EQ(ChargedCores(), 2);
  EXPECT_EQ(HeldCores(), 0);
}

TEST_F(Statuses, AtRestWithNothingRunningTheUnknownHasFailed) {
  v1::HandedCommand command = TakeAndLose();
  host->Status(Id(), "");
  EXPECT_EQ(StateOf(command), v1::COMMAND_STATE_FAILED);
  EXPECT_EQ(N().node_state(), v1::NODE_STATE_FAILED);
}

TEST_F(Statuses, AnOutcomeOfTheUnknownMayStillCome) {
  v1::HandedCommand command = TakeAndLose();
  EXPECT_EQ(host->SayOk(command), "");
  EXPECT_EQ(StateOf(command), v1::COMMAND_STATE_SETTLED);
  EXPECT_EQ(N().node_state(), v1::NODE_STATE_RUNNING);
}

// "node_state follows status reports whenever nothing of the node is taken or unknown and the
// newest ended transition is not failed."
TEST_F(Statuses, TheNodesStateFollowsThem) {
  host->Status(Id(), first, {.run_state = v1::RUN_STATE_FAILED});
  EXPECT_EQ(N().node_state(), v1::NODE_STATE_FAILED);
  host->Status(Id(), first, {.run_state = v1::RUN_STATE_STOPPED});
  EXPECT_EQ(N().node_state(), v1::NODE_STATE_STOPPED);
  host->Status(Id(), first);
  EXPECT_EQ(N().node_state(), v1::NODE_STATE_RUNNING);
  Upgrade("2.0.0");
  host->Status(Id(), first, {.run_state = v1::RUN_STATE_STOPPED});
  EXPECT_EQ(N().node_state(), v1::NODE_STATE_STOPPED);  // never taken: nothing is under way
  v1::HandedCommand command = host->Take("n");
  host->Status(Id(), first);
  EXPECT_EQ(N().node_state(), v1::NODE_STATE_UPGRADING);
  host->SayOk(command);
}

TEST_F(Statuses, TheNodesStateDoesNotFollowThemAfterAFailure) {
  Upgrade("2.0.0");
  v1::HandedCommand command = host->Take("n");
  EXPECT_EQ(host->Say(command, v1::OUTCOME_RESULT_NODE_UPGRADE_FAILURE, first), "");
  host->Status(Id(), first);
  EXPECT_EQ(N().node_state(), v1::NODE_STATE_FAILED);
  EXPECT_EQ(N().config_id(), command.config_id());
}

// "A status may name the config of any of the node's transitions." Fault 3.
TEST_F(Statuses, AnyConfigOfTheNodesTransitionsIsKnown) {
  Upgrade("2.0.0");
  host->Obey("n");
  const std::string second = N().config_id();
  Upgrade("3.0.0");
  host->Obey("n");
  for (const std::string& config : {second, first}) {
    v1::ReportResponse answer = host->Status(Id(), config);
    EXPECT_EQ(answer.warnings_size(), 0);
    EXPECT_EQ(N().running_config_id(), config);
    // Nothing is open, and that is what runs: it is what is charged.
    EXPECT_EQ(N().config_id(), config);
  }
  EXPECT_EQ(ChargedCores(), 2);
  EXPECT_EQ(N().semantic_version(), "1.0.0");
}

// "When a node's last transition ends, ... its config is not what runs, the node moves to what
// runs."
TEST_F(Statuses, TheNodeMovesToWhatRunsOnceNothingIsOpen) {
  Upgrade("2.0.0");
  host->Status(Id(), first);
  EXPECT_NE(N().config_id(), first);  // open: it waits
  v1::HandedCommand command = host->Take("n");
  EXPECT_EQ(host->Say(command, v1::OUTCOME_RESULT_OK, first), "");
  EXPECT_EQ(StateOf(command), v1::COMMAND_STATE_SETTLED);
  EXPECT_EQ(N().config_id(), first);
  EXPECT_EQ(ChargedCores(), 2);
}

TEST_F(Statuses, OfWhatACompleteOneDoesNotNameThereIsNothing) {
  ASSERT_OK(room.Create("m", "host-1", "1.0.0"));
  v1::ReportRequest report = TestHost::StatusOf(Id(), first, {});
  report.mutable_status()->set_complete(true);
  host->Report(report);
  // Its create waits to be taken.
  EXPECT_EQ(room.Node("m").node_state(), v1::NODE_STATE_STARTING);
  host->Obey("m");
  host->Report(TestHost::StatusOf(Id(), first, {}));
  EXPECT_EQ(room.Node("m").node_state(), v1::NODE_STATE_RUNNING);
  host->Report(report);
  EXPECT_EQ(room.Node("m").node_state(), v1::NODE_STATE_FAILED);
  EXPECT_EQ(room.Node("m").running_config_id(), "");
  EXPECT_EQ(ChargedCores(), 4);
}

TEST_F(Statuses, ReleasedNodesAreNobodysBusiness) {
  const std::string id = Id();
  ASSERT_OK(room.Delete("n"));
  host->Obey("n");
  EXPECT_EQ(ChargedCores(), 0);
  const int64_t ledger = room.Host("host-1").ledger_seq();
  v1::ReportResponse answer = host->Status(id, first);
  ASSERT_EQ(answer.warnings_size(), 1);
  EXPECT_EQ(answer.warnings(0).reason(), "NODE_DELETED");
  host->Status(id, "");
  EXPECT_EQ(room.Host("host-1").ledger_seq(), ledger);
  EXPECT_EQ(ChargedCores(), 0);
}

}  // namespace
}  // namespace tallyman
