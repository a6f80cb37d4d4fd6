// Contract, "the host reports | the books do", row by row, for a node with one command.
#include "lifecycle/host.h"

namespace tallyman {
namespace {

class Outcomes : public Lifecycle {};

TEST_F(Outcomes, OkSettlesAndGivesTheHoldBack) {
  Upgrade("3.0.0");
  EXPECT_EQ(ChargedCores(), 1);
  EXPECT_EQ(HeldCores(), 1);  // 2 still run
  v1::HandedCommand command = host->Take("n");
  EXPECT_EQ(host->SayOk(command), "");
  EXPECT_EQ(StateOf(command), v1::COMMAND_STATE_SETTLED);
  EXPECT_EQ(N().node_state(), v1::NODE_STATE_RUNNING);
  EXPECT_EQ(N().running_config_id(), command.config_id());
  EXPECT_EQ(HeldCores(), 0);
  EXPECT_EQ(CountEvents("upgrade_succeeded"), 1u);
}

// "NODE_UPGRADE_ROLLBACK: reverted ...; the node moves to the config that runs, with its image,
// version and resources (host counters, ledger)."
TEST_F(Outcomes, ARollbackMovesNodeAndBooksToWhatRuns) {
  v1::Node before = N();
  Upgrade("2.0.0");
  EXPECT_EQ(ChargedCores(), 6);
  v1::HandedCommand command = host->Take("n");
  EXPECT_EQ(host->Say(command, v1::OUTCOME_RESULT_NODE_UPGRADE_ROLLBACK, first), "");
  EXPECT_EQ(StateOf(command), v1::COMMAND_STATE_REVERTED);
  v1::Node after = N();
  EXPECT_EQ(after.config_id(), first);
  EXPECT_EQ(after.image(), before.image());
  EXPECT_EQ(after.semantic_version(), "1.0.0");
  EXPECT_EQ(FromMessage(after.resources()), FromMessage(before.resources()));
  EXPECT_EQ(after.node_state(), v1::NODE_STATE_RUNNING);
  EXPECT_EQ(after.next_state(), v1::NEXT_STATE_UNSPECIFIED);
  EXPECT_EQ(ChargedCores(), 2);
  EXPECT_EQ(HeldCores(), 0);
  EXPECT_EQ(CountEvents("upgrade_failed"), 1u);
  auto ledger = room.Ledger("host-1");
  const v1::LedgerEntry& entry = ledger.entries(ledger.entries_size() - 1);
  EXPECT_EQ(entry.kind(), v1::LEDGER_KIND_REVERT);
  EXPECT_EQ(entry.delta().allocated().cpu_cores(), -4);
  EXPECT_EQ(entry.cause().actor(), host->actor_id());
}

TEST_F(Outcomes, ARollbackWithNothingRunningIsAFailure) {
  Upgrade("2.0.0");
  v1::HandedCommand command = host->Take("n");
  EXPECT_EQ(host->Say(command, v1::OUTCOME_RESULT_NODE_UPGRADE_ROLLBACK), "");
  EXPECT_EQ(StateOf(command), v1::COMMAND_STATE_FAILED);
  EXPECT_EQ(N().node_state(), v1::NODE_STATE_FAILED);
  EXPECT_EQ(ChargedCores(), 6);
}

TEST_F(Outcomes, ARevertIsNotRefusedByCapacity) {
  Upgrade("3.0.0");
  v1::HandedCommand command = host->Take("n");
  v1::UpdateHostRequest update;
  update.set_host("host-1");
  update.set_capacity_policy(v1::CAPACITY_POLICY_ENFORCE);
  auto& capacity = *update.mutable_capacity();
  capacity.set_cpu_cores(1);
  capacity.set_memory_bytes(1);
  capacity.set_disk_bytes(1);
  ASSERT_OK(room.Send<v1::UpdateHostResponse>("HostService/UpdateHost", update));
  EXPECT_EQ(host->Say(command, v1::OUTCOME_RESULT_NODE_UPGRADE_ROLLBACK, first), "");
  EXPECT_EQ(ChargedCores(), 2);
}

// "NODE_UPGRADE_FAILURE: failed ...; charge and hold stay until an operator acts; --retry opens a
// new transition to the same image."
TEST_F(Outcomes, AFailureKeepsChargeAndHoldUntilARetrySettles) {
  Upgrade("3.0.0");
  v1::HandedCommand command = host->Take("n");
  EXPECT_EQ(host->Say(command, v1::OUTCOME_RESULT_NODE_UPGRADE_FAILURE), "");
  EXPECT_EQ(StateOf(command), v1::COMMAND_STATE_FAILED);
  EXPECT_EQ(N().node_state(), v1::NODE_STATE_FAILED);
  EXPECT_EQ(CountEvents("upgrade_failed"), 1u);
  EXPECT_EQ(ChargedCores(), 1);
  EXPECT_EQ(HeldCores(), 1);  // it may still run what it came from
  // A status does not make it right by itself.
  host->Status(Id(), "");
  EXPECT_EQ(N().node_state(), v1::NODE_STATE_FAILED);
  EXPECT_EQ(HeldCores(), 1);
  v1::RetryUpgradeRequest retry;
  retry.set_node("n");
  ASSERT_OK(room.Send<v1::RetryUpgradeResponse>("NodeService/RetryUpgrade", retry));
  EXPECT_EQ(N().image(), "chain/full@3.0.0+1");
  host->Obey("n");
  EXPECT_EQ(N().node_state(), v1::NODE_STATE_RUNNING);
  EXPECT_EQ(ChargedCores(), 1);
  EXPECT_EQ(HeldCores(), 0);
}

TEST_F(Outcomes, ARetryWorksOnAnUpgradeOfUnknownOutcomeToo) {
  Upgrade("3.0.0");
  v1::HandedCommand lost = host->Take("n");
  EXPECT_EQ(host->Say(lost, v1::OUTCOME_RESULT_SERVICE_BROKEN), "");
  v1::RetryUpgradeRequest retry;
  retry.set_node("n");
  ASSERT_OK(room.Send<v1::RetryUpgradeResponse>("NodeService/RetryUpgrade", retry));
  host->Obey("n");
  EXPECT_EQ(N().node_state(), v1::NODE_STATE_RUNNING);
  EXPECT_EQ(HeldCores(), 0);
  EXPECT_NE(StateOf(lost), v1::COMMAND_STATE_UNKNOWN);
}

// "BLOCKING_JOB_RUNNING, SERVICE_NOT_READY: ... else open again after the hint with attempt + 1;
// the host starts it only after a new hand-out and a new ack."
TEST_F(Outcomes, ABusyHostGetsTheCommandAgainAfterItsHint) {
  for (v1::OutcomeResult busy :
       {v1::OUTCOME_RESULT_BLOCKING_JOB_RUNNING, v1::OUTCOME_RESULT_SERVICE_NOT_READY}) {
    Upgrade(busy == v1::OUTCOME_RESULT_BLOCKING_JOB_RUNNING ? "2.0.0" : "3.0.0");
    v1::HandedCommand command = host->Take("n");
    EXPECT_EQ(host->Say(command, busy, N().running_config_id(), 3600), "");
    EXPECT_EQ(StateOf(command), v1::COMMAND_STATE_OPEN);
    EXPECT_EQ(N().next_state(), v1::NEXT_STATE_UPGRADING);
    EXPECT_EQ(N().node_state(), v1::NODE_STATE_RUNNING);
    v1::FetchCommandsResponse nothing = host->FetchAll();
    EXPECT_EQ(nothing.commands_size(), 0);
    EXPECT_EQ(nothing.retry_after().seconds(), 3600);
    // What was said of the attempt before is refused, and so is its acknowledgement.
    EXPECT_EQ(host->Ack(command), "ATTEMPT_OUTDATED");
    EXPECT_EQ(host->SayOk(command), "ATTEMPT_OUTDATED");
    room.clock.Advance(std::chrono::hours(1));
    v1::HandedCommand again = host->Fetch("n");
    EXPECT_EQ(again.command_id(), command.command_id());
    EXPECT_EQ(again.attempt(), 2);
    EXPECT_EQ(host->SayOk(again), "COMMAND_NOT_TAKEN");
    EXPECT_EQ(host->Ack(again), "");
    EXPECT_EQ(host->SayOk(again), "");
    EXPECT_EQ(N().running_config_id(), again.config_id());
  }
}

TEST_F(Outcomes, ABusyHostWhoseNodeIsToGoIsAskedNoMore) {
  Upgrade("2.0.0");
  v1::HandedCommand command = host->Take("n");
  ASSERT_OK(room.Delete("n"));
  EXPECT_EQ(host->Say(command, v1::OUTCOME_RESULT_BLOCKING_JOB_RUNNING, first, 60), "");
  EXPECT_EQ(StateOf(command), v1::COMMAND_STATE_CANCELLED);
  EXPECT_EQ(host->Fetch("n").kind(), v1::COMMAND_KIND_DELETE);
  host->Obey("n");
  EXPECT_EQ(ChargedCores(), 0);
}

// "NOT_SUPPORTED, NODE_NOT_FOUND: the host never started: as a rollback."
TEST_F(Outcomes, WhatWasNeverStartedGoesBack) {
  for (v1::OutcomeResult result :
       {v1::OUTCOME_RESULT_NOT_SUPPORTED, v1::OUTCOME_RESULT_NODE_NOT_FOUND}) {
    Upgrade("2.0.0");
    v1::HandedCommand command = host->Take("n");
    EXPECT_EQ(host->Say(command, result, first), "");
    EXPECT_EQ(StateOf(command), v1::COMMAND_STATE_REVERTED);
    EXPECT_EQ(N().config_id(), first);
    EXPECT_EQ(ChargedCores(), 2);
  }
}

TEST_F(Outcomes, AConfigThatTheNodeNeverHadIsNoAnswer) {
  ASSERT_OK(room.Create("m", "host-1", "1.0.0"));
  Upgrade("2.0.0");
  v1::HandedCommand command = host->Take("n");
  const std::string foreign = room.Node("m").config_id();
  EXPECT_EQ(host->Say(command, v1::OUTCOME_RESULT_OK, foreign), "");
  EXPECT_EQ(StateOf(command), v1::COMMAND_STATE_UNKNOWN);
  EXPECT_EQ(N().running_config_id(), first);
  auto answer = host->Status(Id(), foreign);
  ASSERT_EQ(answer.warnings_size(), 1);
  EXPECT_EQ(answer.warnings(0).reason(), "UNKNOWN_CONFIG");
  EXPECT_EQ(StateOf(command), v1::COMMAND_STATE_UNKNOWN);
}

TEST_F(Outcomes, StartStopAndRestartJustEnd) {
  auto stop = [&] {
    v1::StopNodesRequest request;
    request.add_nodes("n");
    ASSERT_OK(room.Send<v1::StopNodesResponse>("NodeService/StopNodes", request));
  };
  stop();
  EXPECT_EQ(N().next_state(), v1::NEXT_STATE_STOPPING);
  v1::HandedCommand command = host->Take("n");
  EXPECT_EQ(N().next_state(), v1::NEXT_STATE_UNSPECIFIED);
  v1::ReportRequest report;
  *report.add_outcomes() = TestHost::OutcomeOf(command, v1::OUTCOME_RESULT_OK, first);
  report.mutable_outcomes(0)->set_run_state(v1::RUN_STATE_STOPPED);
  host->Report(report);
  EXPECT_EQ(StateOf(command), v1::COMMAND_STATE_SETTLED);
  EXPECT_EQ(N().node_state(), v1::NODE_STATE_STOPPED);
  EXPECT_EQ(N().running_config_id(), first);
  stop();
  command = host->Take("n");
  EXPECT_EQ(host->Say(command, v1::OUTCOME_RESULT_NODE_UPGRADE_FAILURE, first), "");
  EXPECT_EQ(StateOf(command), v1::COMMAND_STATE_FAILED);
  EXPECT_EQ(N().node_state(), v1::NODE_STATE_RUNNING);
  EXPECT_EQ(ChargedCores(), 2);
  EXPECT_EQ(HeldCores(), 0);
}

TEST_F(Outcomes, AnUpdateGoesBackAsAnUpgradeDoes) {
  room.AddImage(
      "4.0.0", Needs(2, 4, 100),
      {Property{
          .key = "archive", .description = "", .default_value = "off", .add = Needs(0, 0, 50)}});
  Upgrade("4.0.0");
  host->Obey("n");
  const std::string before = N().config_id();
  ASSERT_OK(room.Set("n", "archive", "on"));
  EXPECT_EQ(N().resources().disk_bytes(), 150 * kGiga);
  v1::HandedCommand command = host->Take("n");
  EXPECT_EQ(command.kind(), v1::COMMAND_KIND_UPDATE);
  EXPECT_EQ(host->Say(command, v1::OUTCOME_RESULT_NODE_UPGRADE_ROLLBACK, before), "");
  EXPECT_EQ(N().config_id(), before);
  EXPECT_EQ(N().resources().disk_bytes(), 100 * kGiga);
}

TEST_F(Outcomes, WhatTheHostSaidIsKeptWithTheCommand) {
  Upgrade("2.0.0");
  v1::HandedCommand command = host->Take("n");
  v1::ReportRequest report;
  *report.add_outcomes() =
      TestHost::OutcomeOf(command, v1::OUTCOME_RESULT_NODE_UPGRADE_ROLLBACK, first);
  report.mutable_outcomes(0)->set_message(std::string(999, 'x') + "\xc3\xa4 and more");
  host->Report(report);
  v1::GetCommandRequest get;
  get.set_command_id(command.command_id());
  auto answer = room.Send<v1::GetCommandResponse>("CommandService/GetCommand", get);
  ASSERT_OK(answer);
  EXPECT_EQ(answer->command().outcome(), "node_upgrade_rollback: " + std::string(999, 'x'));
  EXPECT_TRUE(answer->command().has_taken_at());
  EXPECT_TRUE(answer->command().has_ended_at());
}

}  // namespace
}  // namespace tallyman
