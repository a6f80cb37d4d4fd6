// Contract: a second upgrade while the first one is under way.
#include "lifecycle/host.h"

namespace tallyman {
namespace {

class SecondCommand : public Lifecycle {
 protected:
  // Two upgrades that the host has taken both.
  void TakeTwo() {
    Upgrade("2.0.0");
    earlier = host->Take("n");
    Upgrade("3.0.0");
    later = host->Take("n");
  }
  v1::HandedCommand earlier, later;
};

TEST_F(SecondCommand, AnUntakenOneIsSupersededATakenOneIsNot) {
  Upgrade("2.0.0");
  v1::HandedCommand untaken = host->Fetch("n");
  Upgrade("3.0.0");
  EXPECT_EQ(StateOf(untaken), v1::COMMAND_STATE_SUPERSEDED);
  v1::HandedCommand taken = host->Take("n");
  Upgrade("2.0.0");
  EXPECT_EQ(StateOf(taken), v1::COMMAND_STATE_TAKEN);
  // 1 charged for 3.0.0's target would not do: 6 may come to run, and 400 GB may run already.
  EXPECT_EQ(ChargedCores(), 6);
  EXPECT_EQ(HeldDiskGb(), 200);
  host->SayOk(taken);
  host->Obey("n");
}

// "next_state cleared if this is the newest command"
TEST_F(SecondCommand, TheAcknowledgementOfAnOlderOneLeavesTheNextState) {
  Upgrade("2.0.0");
  v1::HandedCommand command = host->Fetch("n");
  host->Ack(command);
  Upgrade("3.0.0");
  EXPECT_EQ(host->Ack(command), "");
  EXPECT_EQ(N().next_state(), v1::NEXT_STATE_UPGRADING);
  host->Obey("n");
  EXPECT_EQ(N().next_state(), v1::NEXT_STATE_UNSPECIFIED);
}

// "unless a newer target exists": "a rollback of an older command ends that transition only".
TEST_F(SecondCommand, ARollbackOfTheOlderOneLeavesTheNewestTarget) {
  TakeTwo();
  EXPECT_EQ(host->Say(earlier, v1::OUTCOME_RESULT_NODE_UPGRADE_ROLLBACK, first), "");
  EXPECT_EQ(StateOf(earlier), v1::COMMAND_STATE_REVERTED);
  EXPECT_EQ(StateOf(later), v1::COMMAND_STATE_TAKEN);
  EXPECT_EQ(N().config_id(), later.config_id());
  EXPECT_EQ(ChargedCores(), 1);
  EXPECT_EQ(HeldCores(), 1);  // 2 run
  EXPECT_EQ(host->SayOk(later), "");
  EXPECT_EQ(HeldCores(), 0);
}

TEST_F(SecondCommand, ARollbackOfTheOlderOneWithNothingRunningWaitsForTheNewerOne) {
  TakeTwo();
  EXPECT_EQ(host->Say(earlier, v1::OUTCOME_RESULT_NODE_UPGRADE_ROLLBACK), "");
  EXPECT_EQ(StateOf(earlier), v1::COMMAND_STATE_REVERTED);
  EXPECT_EQ(N().node_state(), v1::NODE_STATE_UPGRADING);
  EXPECT_EQ(host->SayOk(later), "");
  EXPECT_EQ(N().node_state(), v1::NODE_STATE_RUNNING);
}

TEST_F(SecondCommand, BothRolledBackGoesToWhatRuns) {
  TakeTwo();
  EXPECT_EQ(host->Say(earlier, v1::OUTCOME_RESULT_NODE_UPGRADE_ROLLBACK, first), "");
  EXPECT_EQ(host->Say(later, v1::OUTCOME_RESULT_NODE_UPGRADE_ROLLBACK, first), "");
  EXPECT_EQ(N().config_id(), first);
  EXPECT_EQ(ChargedCores(), 2);
  EXPECT_EQ(HeldCores(), 0);
}

TEST_F(SecondCommand, TheLaterOneRolledBackGoesToTheEarlierOnesConfig) {
  TakeTwo();
  EXPECT_EQ(host->SayOk(earlier), "");
  EXPECT_EQ(N().config_id(), later.config_id());
  EXPECT_EQ(host->Say(later, v1::OUTCOME_RESULT_NODE_UPGRADE_ROLLBACK, earlier.config_id()), "");
  EXPECT_EQ(N().config_id(), earlier.config_id());
  EXPECT_EQ(N().semantic_version(), "2.0.0");
  EXPECT_EQ(ChargedCores(), 6);
}

// "A host works a node's commands off in order": one that speaks of the later one has ended the
// earlier one, whatever became of what it said of it.
TEST_F(SecondCommand, AnOutcomeOfTheLaterOneEndsTheEarlierOne) {
  TakeTwo();
  EXPECT_EQ(host->SayOk(later), "");
  EXPECT_EQ(StateOf(earlier), v1::COMMAND_STATE_REVERTED);
  EXPECT_EQ(N().running_config_id(), later.config_id());
  EXPECT_EQ(HeldCores(), 0);
  EXPECT_EQ(host->SayOk(earlier), "COMMAND_ENDED");
  EXPECT_EQ(N().running_config_id(), later.config_id());
}

// "that becomes running_config_id, unless a later command of the node has already ended"
TEST_F(SecondCommand, ALateOutcomeDoesNotOverwriteWhatRunsNow) {
  TakeTwo();
  EXPECT_EQ(host->Say(later, v1::OUTCOME_RESULT_INTERNAL_ERROR), "");
  // At rest: the later one is resolved, the outcome of the earlier one is still on its way.
  host->Status(Id(), later.config_id());
  EXPECT_EQ(StateOf(later), v1::COMMAND_STATE_SETTLED);
  EXPECT_EQ(StateOf(earlier), v1::COMMAND_STATE_TAKEN);
  EXPECT_EQ(host->SayOk(earlier), "");
  EXPECT_EQ(N().running_config_id(), later.config_id());
  EXPECT_EQ(N().config_id(), later.config_id());
  EXPECT_EQ(HeldCores(), 0);
}

// "superseded if a newer upgrade exists"
TEST_F(SecondCommand, ABusyHostIsNotAskedAgainForWhatNobodyWantsAnyMore) {
  TakeTwo();
  EXPECT_EQ(host->Say(earlier, v1::OUTCOME_RESULT_BLOCKING_JOB_RUNNING, first, 60), "");
  EXPECT_EQ(StateOf(earlier), v1::COMMAND_STATE_SUPERSEDED);
  EXPECT_EQ(host->SayOk(later), "");
  EXPECT_EQ(N().config_id(), later.config_id());
}

// A host that could not put back what ran before may do so later, when another command fails.
TEST_F(SecondCommand, AFailedOneHoldsWhatRanBeforeItNotATargetThatNeverCame) {
  Upgrade("3.0.0");
  host->Obey("n");
  const std::string before = N().running_config_id();
  Upgrade("2.0.0");
  Upgrade("1.0.0");
  v1::HandedCommand failed = host->Take("n");
  EXPECT_EQ(host->Say(failed, v1::OUTCOME_RESULT_NODE_UPGRADE_FAILURE), "");
  EXPECT_EQ(HeldDiskGb(), 300);  // 400 may come to run, 100 are charged
  EXPECT_EQ(HeldCores(), 0);     // 2.0.0's 6 cannot
  Upgrade("2.0.0");
  failed = host->Take("n");
  EXPECT_EQ(host->Say(failed, v1::OUTCOME_RESULT_NODE_UPGRADE_FAILURE, before), "");
  EXPECT_EQ(HeldDiskGb(), 200);
}

TEST_F(SecondCommand, AFailureAfterTheEarlierOnesRollbackHoldsWhatThatWentBackTo) {
  TakeTwo();
  EXPECT_EQ(host->Say(earlier, v1::OUTCOME_RESULT_NODE_UPGRADE_ROLLBACK, first), "");
  EXPECT_EQ(host->Say(later, v1::OUTCOME_RESULT_NODE_UPGRADE_FAILURE), "");
  EXPECT_EQ(HeldCores(), 1);  // 2 may run again, 1 is charged
}

// The host began the upgrade anew after the stop, so the end of the stop is not the end of it.
TEST_F(SecondCommand, OneThatWasOpenedAgainIsNotEndedByOneThatBeganBeforeIt) {
  Upgrade("2.0.0");
  v1::HandedCommand upgrade = host->Take("n");
  v1::StopNodesRequest request;
  request.add_nodes("n");
  ASSERT_OK(room.Send<v1::StopNodesResponse>("NodeService/StopNodes", request));
  v1::HandedCommand stop = host->Take("n");
  EXPECT_EQ(host->Say(upgrade, v1::OUTCOME_RESULT_BLOCKING_JOB_RUNNING, first), "");
  upgrade = host->Take("n");
  EXPECT_EQ(upgrade.attempt(), 2);
  EXPECT_EQ(host->Say(stop, v1::OUTCOME_RESULT_OK, first), "");
  EXPECT_EQ(StateOf(upgrade), v1::COMMAND_STATE_TAKEN);
  EXPECT_EQ(ChargedCores(), 6);
  EXPECT_EQ(host->SayOk(upgrade), "");
  EXPECT_EQ(StateOf(upgrade), v1::COMMAND_STATE_SETTLED);
}

// "from and to of each failed one until a later transition of the node settles or reverts"
TEST_F(SecondCommand, TheHoldOfAFailedOneGoesWithALaterOneThatSettles) {
  Upgrade("2.0.0");
  v1::HandedCommand failed = host->Take("n");
  EXPECT_EQ(host->Say(failed, v1::OUTCOME_RESULT_NODE_UPGRADE_FAILURE), "");
  Upgrade("3.0.0");
  EXPECT_EQ(HeldCores(), 5);  // the failed one may run 6, 1 is charged
  v1::HandedCommand next = host->Take("n");
  EXPECT_EQ(HeldCores(), 5);
  EXPECT_EQ(host->SayOk(next), "");
  EXPECT_EQ(HeldCores(), 0);
}

TEST_F(SecondCommand, TheHoldOfAFailedOneGoesWithALaterOneThatReverts) {
  Upgrade("2.0.0");
  v1::HandedCommand failed = host->Take("n");
  EXPECT_EQ(host->Say(failed, v1::OUTCOME_RESULT_NODE_UPGRADE_FAILURE, first), "");
  Upgrade("3.0.0");
  v1::HandedCommand next = host->Take("n");
  EXPECT_EQ(host->Say(next, v1::OUTCOME_RESULT_NODE_UPGRADE_ROLLBACK, first), "");
  EXPECT_EQ(N().config_id(), first);
  EXPECT_EQ(HeldCores(), 0);
  EXPECT_EQ(N().node_state(), v1::NODE_STATE_RUNNING);
}

TEST_F(SecondCommand, ADeleteThatRevertsDoesNotTakeTheHoldOfAFailedOne) {
  Upgrade("3.0.0");
  v1::HandedCommand failed = host->Take("n");
  EXPECT_EQ(host->Say(failed, v1::OUTCOME_RESULT_NODE_UPGRADE_FAILURE), "");
  EXPECT_EQ(HeldCores(), 1);
  ASSERT_OK(room.Delete("n"));
  v1::HandedCommand gone = host->Take("n");
  EXPECT_EQ(host->Say(gone, v1::OUTCOME_RESULT_NOT_SUPPORTED), "");
  EXPECT_EQ(HeldCores(), 1);
  EXPECT_EQ(N().node_state(), v1::NODE_STATE_FAILED);
}

}  // namespace
}  // namespace tallyman
