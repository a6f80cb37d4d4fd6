// Contract: a command that no host has taken is withdrawn, and its node goes back.
#include "lifecycle/host.h"
#include "tallyman/v1/ledger.pb.h"

namespace tallyman {
namespace {

class Withdraw : public Lifecycle {
 protected:
  Result<v1::CancelCommandResponse> Cancel(const std::string& id, bool dry_run = false) {
    v1::CancelCommandRequest request;
    request.set_command_id(id);
    request.set_dry_run(dry_run);
    return room.Send<v1::CancelCommandResponse>("CommandService/CancelCommand", request);
  }
  void ExpectRefused(const std::string& id, const std::string& reason) {
    const std::string before = room.Dump();
    const auto refused = Cancel(id);
    ASSERT_FALSE(refused.has_value());
    EXPECT_EQ(refused.error().code, Code::kFailedPrecondition);
    EXPECT_EQ(refused.error().reason, reason) << refused.error().message;
    EXPECT_EQ(room.Dump(), before);
  }
  // The newest command of the node.
  v1::Command Newest() {
    v1::ListCommandsRequest request;
    request.set_filter("node=n");
    request.set_order_by("created_at desc");
    request.set_page_size(1);
    auto answer = room.Send<v1::ListCommandsResponse>("CommandService/ListCommands", request);
    EXPECT_TRUE(answer.has_value() && answer->commands_size() == 1);
    return answer && answer->commands_size() == 1 ? answer->commands(0) : v1::Command();
  }
  v1::LedgerEntry LastEntry() {
    v1::ListLedgerRequest request;
    request.set_node("n");
    auto answer = room.Send<v1::ListLedgerResponse>("LedgerService/ListLedger", request);
    EXPECT_TRUE(answer.has_value() && answer->entries_size() > 0);
    return answer ? *answer->entries().rbegin() : v1::LedgerEntry();
  }
  void Stop() { Say<v1::StopNodesResponse, v1::StopNodesRequest>("StopNodes"); }
  void Start() { Say<v1::StartNodesResponse, v1::StartNodesRequest>("StartNodes"); }
  template <class Response, class Request>
  void Say(const std::string& method) {
    // Times tell commands apart.
    room.clock.Advance(std::chrono::seconds(1));
    Request request;
    request.add_nodes("n");
    ASSERT_OK(room.Send<Response>("NodeService/" + method, request));
  }
  void UpgradeLater(const std::string& version) {
    room.clock.Advance(std::chrono::seconds(1));
    Upgrade(version);
  }
};

TEST_F(Withdraw, AnUpgradeThatWasHandedOutAndNotTakenGoesBackToWhatRuns) {
  UpgradeLater("2.0.0");
  const v1::HandedCommand command = host->Fetch("n");
  EXPECT_EQ(ChargedCores(), 6);
  const std::string before = room.Dump();
  const auto plan = Cancel(command.command_id(), true);
  ASSERT_TRUE(plan.has_value()) << plan.error().message;
  EXPECT_EQ(room.Dump(), before);

  const auto done = Cancel(command.command_id());
  ASSERT_TRUE(done.has_value()) << done.error().message;
  ASSERT_EQ(done->changes().nodes_size(), 1);
  EXPECT_EQ(done->changes().nodes(0).from_image(), "chain/full@2.0.0+1");
  EXPECT_EQ(done->changes().nodes(0).to_image(), "chain/full@1.0.0+1");
  EXPECT_EQ(done->changes().nodes(0).difference().cpu_cores(), -4);
  EXPECT_EQ(done->changes().hosts(0).books_after().allocated().cpu_cores(), 2);

  EXPECT_EQ(StateOf(command), v1::COMMAND_STATE_CANCELLED);
  EXPECT_EQ(N().config_id(), first);
  EXPECT_EQ(N().semantic_version(), "1.0.0");
  EXPECT_EQ(N().next_state(), v1::NEXT_STATE_UNSPECIFIED);
  EXPECT_EQ(N().node_state(), v1::NODE_STATE_RUNNING);
  EXPECT_EQ(ChargedCores(), 2);
  EXPECT_EQ(HeldCores(), 0);
  EXPECT_EQ(LastEntry().kind(), v1::LEDGER_KIND_REVERT);
  EXPECT_EQ(LastEntry().delta().allocated().cpu_cores(), -4);
  EXPECT_EQ(CountEvents("command_cancelled"), 1u);
  // Its host drops it, and takes the next one.
  EXPECT_EQ(host->Ack(command), "COMMAND_ENDED");
  EXPECT_EQ(host->Fetch("n").command_id(), "");
  UpgradeLater("3.0.0");
  host->Obey("n");
  EXPECT_EQ(N().semantic_version(), "3.0.0");
}

TEST_F(Withdraw, OneThatWasTakenOrHasEndedStays) {
  UpgradeLater("2.0.0");
  const v1::HandedCommand command = host->Take("n");
  ExpectRefused(command.command_id(), "COMMAND_TAKEN");
  EXPECT_EQ(host->Say(command, v1::OUTCOME_RESULT_INTERNAL_ERROR), "");
  ExpectRefused(command.command_id(), "COMMAND_TAKEN");
  EXPECT_EQ(host->SayOk(command), "");
  ExpectRefused(command.command_id(), "COMMAND_ENDED");
}

TEST_F(Withdraw, OneThatABusyHostGaveBackIsWithdrawn) {
  UpgradeLater("2.0.0");
  const v1::HandedCommand command = host->Take("n");
  EXPECT_EQ(host->Say(command, v1::OUTCOME_RESULT_BLOCKING_JOB_RUNNING, first, 60), "");
  ASSERT_OK(Cancel(command.command_id()));
  EXPECT_EQ(N().config_id(), first);
  EXPECT_EQ(N().node_state(), v1::NODE_STATE_RUNNING);
  EXPECT_EQ(N().next_state(), v1::NEXT_STATE_UNSPECIFIED);
  EXPECT_EQ(HeldCores(), 0);
}

TEST_F(Withdraw, TheNodeGoesBackToWhatIsOnItsWay) {
  UpgradeLater("2.0.0");
  const v1::HandedCommand taken = host->Take("n");
  UpgradeLater("3.0.0");
  EXPECT_EQ(ChargedCores(), 6 - 5);
  ASSERT_OK(Cancel(Newest().id()));
  EXPECT_EQ(N().config_id(), taken.config_id());
  EXPECT_EQ(N().node_state(), v1::NODE_STATE_UPGRADING);
  EXPECT_EQ(ChargedCores(), 6);
  EXPECT_EQ(HeldCores(), 0);
  EXPECT_EQ(HeldDiskGb(), 0) << "what was withdrawn is not held";
  EXPECT_EQ(host->SayOk(taken), "");
  EXPECT_EQ(N().semantic_version(), "2.0.0");
  EXPECT_EQ(N().node_state(), v1::NODE_STATE_RUNNING);
}

TEST_F(Withdraw, NeverToWhatWasSuperseded) {
  UpgradeLater("2.0.0");
  UpgradeLater("3.0.0");
  ASSERT_OK(Cancel(Newest().id()));
  EXPECT_EQ(N().config_id(), first);
  EXPECT_EQ(ChargedCores(), 2);
  EXPECT_EQ(HeldDiskGb(), 0);
}

TEST_F(Withdraw, AFailedNodeStaysFailedAndHeld) {
  UpgradeLater("2.0.0");
  const v1::HandedCommand failed = host->Take("n");
  EXPECT_EQ(host->Say(failed, v1::OUTCOME_RESULT_NODE_UPGRADE_FAILURE, first), "");
  UpgradeLater("3.0.0");
  ASSERT_OK(Cancel(Newest().id()));
  EXPECT_EQ(N().node_state(), v1::NODE_STATE_FAILED);
  EXPECT_EQ(N().config_id(), first);
  EXPECT_EQ(ChargedCores() + HeldCores(), 6) << "the failed one may still be there";
}

TEST_F(Withdraw, WhereNothingRunsThereIsNothingToGoBackTo) {
  UpgradeLater("2.0.0");
  const v1::HandedCommand earlier = host->Take("n");
  UpgradeLater("3.0.0");
  EXPECT_EQ(host->Say(earlier, v1::OUTCOME_RESULT_NODE_UPGRADE_ROLLBACK), "");
  ExpectRefused(Newest().id(), "NOTHING_TO_GO_BACK_TO");
  host->Obey("n");
  EXPECT_EQ(N().semantic_version(), "3.0.0");
}

TEST_F(Withdraw, AnInstructionChangesNoBooksAndTheNextOneIsHandedOut) {
  Stop();
  const std::string stop = Newest().id();
  Start();
  EXPECT_EQ(host->Fetch("n").command_id(), stop);
  ASSERT_OK(Cancel(stop));
  EXPECT_EQ(N().next_state(), v1::NEXT_STATE_STARTING);
  EXPECT_EQ(host->Fetch("n").command_id(), Newest().id());
  Stop();
  ASSERT_OK(Cancel(Newest().id()));
  EXPECT_EQ(N().next_state(), v1::NEXT_STATE_STARTING) << "what it waits for now";
  EXPECT_EQ(ChargedCores(), 2);
}

TEST_F(Withdraw, ACreateAndADeleteStay) {
  room.clock.Advance(std::chrono::seconds(1));
  ASSERT_OK(room.Delete("n"));
  ExpectRefused(Newest().id(), "COMMAND_NOT_CANCELLABLE");
  host->Obey("n");
  room.clock.Advance(std::chrono::seconds(1));
  ASSERT_OK(room.Create("n", "host-1", "1.0.0"));
  const std::string create = Newest().id();
  ExpectRefused(create, "COMMAND_NOT_CANCELLABLE");
  // An upgrade on top of it goes back to what is to be created.
  UpgradeLater("2.0.0");
  ASSERT_OK(Cancel(Newest().id()));
  EXPECT_EQ(N().semantic_version(), "1.0.0");
  EXPECT_EQ(ChargedCores(), 2);
  EXPECT_EQ(HeldCores(), 0);
  host->Obey("n");
  EXPECT_EQ(N().node_state(), v1::NODE_STATE_RUNNING);
}

}  // namespace
}  // namespace tallyman
