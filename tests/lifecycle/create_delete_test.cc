// Contract, "Create and delete".
#include "lifecycle/host.h"

namespace tallyman {
namespace {

class CreateAndDelete : public Lifecycle {
 protected:
  v1::HandedCommand TakeCreate() {
    EXPECT_TRUE(room.Create("m", "host-1", "2.0.0"));
    return host->Take("m");
  }
  v1::Node M() { return room.Node("m"); }
};

TEST_F(CreateAndDelete, ACreateChargesAtOnceAndSettles) {
  v1::HandedCommand create = TakeCreate();
  EXPECT_EQ(ChargedCores(), 8);
  EXPECT_EQ(M().node_state(), v1::NODE_STATE_STARTING);
  EXPECT_EQ(host->SayOk(create), "");
  EXPECT_EQ(M().node_state(), v1::NODE_STATE_RUNNING);
  EXPECT_EQ(M().running_config_id(), create.config_id());
}

// "a create that failed is released once the host reports that nothing runs"
TEST_F(CreateAndDelete, AFailedCreateThatLeftNothingIsReleasedOnce) {
  for (v1::OutcomeResult result :
       {v1::OUTCOME_RESULT_NODE_UPGRADE_FAILURE, v1::OUTCOME_RESULT_NODE_UPGRADE_ROLLBACK,
        v1::OUTCOME_RESULT_NOT_SUPPORTED, v1::OUTCOME_RESULT_NODE_NOT_FOUND}) {
    v1::HandedCommand create = TakeCreate();
    EXPECT_EQ(host->Say(create, result), "");
    EXPECT_EQ(ChargedCores(), 2);
    EXPECT_EQ(M().node_state(), v1::NODE_STATE_FAILED);
    EXPECT_TRUE(M().has_released_at());
    const int64_t version = M().version();
    host->Status(M().id(), create.config_id());
    EXPECT_EQ(M().version(), version);
    // It stays to be seen until it is deleted, which gives nothing back again.
    ASSERT_OK(room.Delete("m"));
    EXPECT_EQ(ChargedCores(), 2);
    EXPECT_EQ(host->Fetch("m").command_id(), "");
  }
}

// "until then the node is failed and charged"
TEST_F(CreateAndDelete, AFailedCreateThatLeftSomethingIsChargedUntilNothingRuns) {
  v1::HandedCommand create = TakeCreate();
  EXPECT_EQ(host->Say(create, v1::OUTCOME_RESULT_NODE_UPGRADE_FAILURE, create.config_id()), "");
  EXPECT_EQ(M().node_state(), v1::NODE_STATE_FAILED);
  EXPECT_EQ(ChargedCores(), 8);
  host->Status(M().id(), create.config_id());
  EXPECT_EQ(ChargedCores(), 8);
  host->Status(M().id(), "", {.remains = true});
  EXPECT_EQ(ChargedCores(), 8);
  host->Status(M().id(), "", {.pending = true});
  EXPECT_EQ(ChargedCores(), 8);
  host->Status(M().id(), "");
  EXPECT_EQ(ChargedCores(), 2);
  host->Status(M().id(), "");
  EXPECT_EQ(ChargedCores(), 2);
}

TEST_F(CreateAndDelete, AReleasedNodeIsNeitherUpgradedNorStarted) {
  v1::HandedCommand create = TakeCreate();
  host->Say(create, v1::OUTCOME_RESULT_NODE_UPGRADE_FAILURE);
  EXPECT_REFUSED(room.Upgrade({"m"}, "chain/full@1.0.0"), Code::kFailedPrecondition,
                 "NODE_BEING_DELETED");
  v1::UpgradeNodesRequest all;
  all.mutable_selector()->set_protocol("chain");
  all.set_image("chain/full@3.0.0");
  auto answer = room.Send<v1::UpgradeNodesResponse>("NodeService/UpgradeNodes", all);
  ASSERT_OK(answer);
  EXPECT_EQ(answer->changes().nodes_size(), 1);
}

// "Delete cancels every untaken command of the node, the create too"
TEST_F(CreateAndDelete, ADeleteCancelsEveryUntakenCommandTheCreateToo) {
  ASSERT_OK(room.Create("m", "host-1", "2.0.0"));
  v1::HandedCommand create = host->Fetch("m");
  ASSERT_OK(room.Delete("m"));
  EXPECT_EQ(StateOf(create), v1::COMMAND_STATE_CANCELLED);
  EXPECT_EQ(host->Ack(create), "COMMAND_ENDED");
  EXPECT_EQ(ChargedCores(), 8);  // it was handed out, so the host has a word in it
  v1::HandedCommand gone = host->Take("m");
  EXPECT_EQ(gone.kind(), v1::COMMAND_KIND_DELETE);
  EXPECT_EQ(host->Say(gone, v1::OUTCOME_RESULT_NODE_NOT_FOUND), "");
  EXPECT_EQ(ChargedCores(), 2);

  Upgrade("2.0.0");
  v1::HandedCommand upgrade = host->Fetch("n");
  ASSERT_OK(room.Delete("n"));
  EXPECT_EQ(StateOf(upgrade), v1::COMMAND_STATE_CANCELLED);
  EXPECT_EQ(host->Ack(upgrade), "COMMAND_ENDED");
}

// "upgrades of a node being deleted are refused", from the request on to the end, whatever the
// host has said of it in between.
TEST_F(CreateAndDelete, UpgradesOfANodeBeingDeletedAreRefused) {
  auto refused = [&] {
    EXPECT_REFUSED(room.Upgrade({"n"}, "chain/full@2.0.0"), Code::kFailedPrecondition,
                   "NODE_BEING_DELETED");
  };
  ASSERT_OK(room.Delete("n"));
  refused();
  v1::HandedCommand gone = host->Take("n");
  EXPECT_EQ(N().node_state(), v1::NODE_STATE_DELETING);
  refused();
  host->Status(Id(), first);
  refused();
  host->Say(gone, v1::OUTCOME_RESULT_INTERNAL_ERROR);
  refused();
  host->SayOk(gone);
  EXPECT_EQ(ChargedCores(), 0);
}

// "Its resources go back ... on the delete's OK"
TEST_F(CreateAndDelete, ADeleteGivesBackOnItsOkAndNotBefore) {
  ASSERT_OK(room.Delete("n"));
  EXPECT_EQ(ChargedCores(), 2);
  v1::HandedCommand gone = host->Take("n");
  EXPECT_EQ(gone.config_id(), "");
  EXPECT_EQ(ChargedCores(), 2);
  EXPECT_EQ(host->SayOk(gone), "");
  EXPECT_EQ(StateOf(gone), v1::COMMAND_STATE_SETTLED);
  EXPECT_EQ(ChargedCores(), 0);
  EXPECT_EQ(CountEvents("node_deleted"), 1u);
}

// "NODE_NOT_FOUND for a delete means that nothing runs: settled"
TEST_F(CreateAndDelete, ADeleteOfWhatIsNotThereIsDone) {
  ASSERT_OK(room.Delete("n"));
  v1::HandedCommand gone = host->Take("n");
  EXPECT_EQ(host->Say(gone, v1::OUTCOME_RESULT_NODE_NOT_FOUND), "");
  EXPECT_EQ(StateOf(gone), v1::COMMAND_STATE_SETTLED);
  EXPECT_EQ(ChargedCores(), 0);
}

// "or on a report that nothing runs and nothing is pending for the node"
TEST_F(CreateAndDelete, ANodeToBeDeletedIsReleasedWhenNothingIsThereAndNothingInMotion) {
  Upgrade("2.0.0");
  v1::HandedCommand upgrade = host->Take("n");
  ASSERT_OK(room.Delete("n"));
  // The old one is stopped for the new one: nothing runs, for a moment.
  host->Status(Id(), "", {.pending = true});
  EXPECT_EQ(ChargedCores(), 6);
  host->Status(Id(), "", {.remains = true});
  EXPECT_EQ(ChargedCores(), 6);
  const std::string id = Id();
  host->Status(id, "");
  EXPECT_EQ(ChargedCores(), 0);
  // "Releasing cancels every transition not ended; later reports about the node move no books."
  EXPECT_EQ(StateOf(upgrade), v1::COMMAND_STATE_CANCELLED);
  EXPECT_EQ(host->SayOk(upgrade), "COMMAND_ENDED");
  EXPECT_EQ(ChargedCores(), 0);
  EXPECT_EQ(HeldCores(), 0);
}

TEST_F(CreateAndDelete, AnUnknownDeleteIsResolvedByWhatIsThere) {
  ASSERT_OK(room.Delete("n"));
  v1::HandedCommand gone = host->Take("n");
  host->Say(gone, v1::OUTCOME_RESULT_SERVICE_BROKEN);
  EXPECT_EQ(StateOf(gone), v1::COMMAND_STATE_UNKNOWN);
  host->Status(Id(), first);
  EXPECT_EQ(StateOf(gone), v1::COMMAND_STATE_REVERTED);
  EXPECT_EQ(N().node_state(), v1::NODE_STATE_RUNNING);
  EXPECT_EQ(N().next_state(), v1::NEXT_STATE_UNSPECIFIED);
  EXPECT_EQ(ChargedCores(), 2);
  ASSERT_OK(room.Delete("n"));
  gone = host->Take("n");
  host->Say(gone, v1::OUTCOME_RESULT_SERVICE_BROKEN);
  host->Status(Id(), "");
  EXPECT_EQ(StateOf(gone), v1::COMMAND_STATE_SETTLED);
  EXPECT_EQ(ChargedCores(), 0);
}

// "A failed delete leaves the node charged and deletable."
TEST_F(CreateAndDelete, AFailedDeleteLeavesTheNodeChargedAndDeletable) {
  ASSERT_OK(room.Delete("n"));
  v1::HandedCommand gone = host->Take("n");
  EXPECT_EQ(host->Say(gone, v1::OUTCOME_RESULT_NODE_UPGRADE_FAILURE, first), "");
  EXPECT_EQ(StateOf(gone), v1::COMMAND_STATE_FAILED);
  EXPECT_EQ(N().node_state(), v1::NODE_STATE_FAILED);
  EXPECT_EQ(ChargedCores(), 2);
  ASSERT_OK(room.Delete("n"));
  host->Obey("n");
  EXPECT_EQ(ChargedCores(), 0);
}

// What was asked last wins: the delete ends the node, however its create ended before, and with
// whatever words. A host of the last release says it like this: first the create, which it has put
// back, then the delete, of which it finds nothing.
TEST_F(CreateAndDelete, ADeleteThatWaitsForACreateThatFailsEndsTheNode) {
  for (v1::OutcomeResult result :
       {v1::OUTCOME_RESULT_NODE_UPGRADE_ROLLBACK, v1::OUTCOME_RESULT_NODE_UPGRADE_FAILURE,
        v1::OUTCOME_RESULT_NOT_SUPPORTED, v1::OUTCOME_RESULT_NODE_NOT_FOUND,
        v1::OUTCOME_RESULT_INTERNAL_ERROR}) {
    // Before or after the host has taken the delete.
    for (bool taken : {false, true}) {
      SCOPED_TRACE(testing::Message() << v1::OutcomeResult_Name(result) << ", taken " << taken);
      v1::HandedCommand create = TakeCreate();
      ASSERT_OK(room.Delete("m"));
      v1::HandedCommand gone = taken ? host->Take("m") : v1::HandedCommand();
      EXPECT_EQ(host->Say(create, result), "");
      EXPECT_REFUSED(room.Upgrade({"m"}, "chain/full@1.0.0"), Code::kFailedPrecondition,
                     "NODE_BEING_DELETED");
      if (!taken) gone = host->Take("m");
      EXPECT_EQ(gone.kind(), v1::COMMAND_KIND_DELETE);
      EXPECT_EQ(host->Say(gone, v1::OUTCOME_RESULT_NODE_NOT_FOUND), "");
      EXPECT_EQ(StateOf(gone), v1::COMMAND_STATE_SETTLED);
      EXPECT_EQ(ChargedCores(), 2);
      // The name is free again.
      ASSERT_OK(room.Create("m", "host-1", "2.0.0"));
      ASSERT_OK(room.Delete("m"));
      EXPECT_EQ(ChargedCores(), 2);
    }
  }
}

// Both outcomes in one report, as of a host that gave the create up for the delete.
TEST_F(CreateAndDelete, ACreateThatIsGivenUpForItsDeleteEndsDeleted) {
  v1::HandedCommand create = TakeCreate();
  ASSERT_OK(room.Delete("m"));
  v1::HandedCommand gone = host->Take("m");
  v1::ReportRequest report;
  *report.add_outcomes() = TestHost::OutcomeOf(create, v1::OUTCOME_RESULT_NODE_UPGRADE_ROLLBACK);
  *report.add_outcomes() = TestHost::OutcomeOf(gone, v1::OUTCOME_RESULT_NODE_NOT_FOUND);
  const v1::ReportResponse answer = host->Report(report);
  for (const v1::OutcomeAnswer& outcome : answer.outcomes()) EXPECT_EQ(outcome.reason(), "");
  EXPECT_EQ(StateOf(create), v1::COMMAND_STATE_REVERTED);
  EXPECT_EQ(StateOf(gone), v1::COMMAND_STATE_SETTLED);
  EXPECT_EQ(ChargedCores(), 2);
  EXPECT_EQ(CountEvents("node_deleted"), 1u);
}

// A status between the two ends it as well: nothing is there, and nothing in motion.
TEST_F(CreateAndDelete, AFailedCreateThatIsToBeDeletedIsReleasedByAStatus) {
  v1::HandedCommand create = TakeCreate();
  ASSERT_OK(room.Delete("m"));
  const std::string id = M().id();
  EXPECT_EQ(host->Say(create, v1::OUTCOME_RESULT_NODE_UPGRADE_ROLLBACK), "");
  EXPECT_EQ(ChargedCores(), 8);
  host->Status(id, "");
  EXPECT_EQ(ChargedCores(), 2);
  EXPECT_EQ(CountEvents("node_deleted"), 1u);
}

// An upgrade that is given up for the delete, as hosts end it: the node is shown as being deleted
// until it is.
TEST_F(CreateAndDelete, AnUpgradeThatIsGivenUpForADeleteDoesNotOpenTheNodeAgain) {
  Upgrade("2.0.0");
  v1::HandedCommand upgrade = host->Take("n");
  ASSERT_OK(room.Delete("n"));
  v1::HandedCommand gone = host->Take("n");
  EXPECT_EQ(host->Say(upgrade, v1::OUTCOME_RESULT_NODE_UPGRADE_FAILURE), "");
  EXPECT_EQ(N().node_state(), v1::NODE_STATE_DELETING);
  EXPECT_REFUSED(room.Upgrade({"n"}, "chain/full@1.0.0"), Code::kFailedPrecondition,
                 "NODE_BEING_DELETED");
  EXPECT_EQ(host->Say(gone, v1::OUTCOME_RESULT_NODE_NOT_FOUND), "");
  EXPECT_EQ(ChargedCores(), 0);
}

TEST_F(CreateAndDelete, ADeleteThatFailsAfterAWithdrawnUpgradeMovesBackToWhatRuns) {
  Upgrade("2.0.0");
  ASSERT_OK(room.Delete("n"));
  EXPECT_EQ(ChargedCores(), 6);
  v1::HandedCommand gone = host->Take("n");
  EXPECT_EQ(host->Say(gone, v1::OUTCOME_RESULT_NOT_SUPPORTED, first), "");
  EXPECT_EQ(N().config_id(), first);
  EXPECT_EQ(ChargedCores(), 2);
}

}  // namespace
}  // namespace tallyman
