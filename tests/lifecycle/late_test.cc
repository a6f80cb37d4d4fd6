// Contract: a command that may begin only for a while does not begin afterwards.
#include "control/hosts/reports.h"
#include "lifecycle/host.h"

namespace tallyman {
namespace {

using namespace tallyman::control;
using std::chrono::microseconds;
using std::chrono::minutes;

class Late : public Lifecycle {
 protected:
  void UpgradeWithin(const std::string& version, std::chrono::seconds within) {
    v1::UpgradeNodesRequest request;
    request.add_nodes("n");
    request.set_image("chain/full@" + version);
    request.mutable_begin_within()->set_seconds(within.count());
    ASSERT_OK(room.Send<v1::UpgradeNodesResponse>("NodeService/UpgradeNodes", request));
  }
  // What the timer of a server does.
  void Expire() { ASSERT_OK(ExpireCommands(*room.control, minutes(10))); }
  int Cancelled() { return static_cast<int>(room.Commands("state=cancelled").size()); }
};

TEST_F(Late, IsHandedOutAndTakenToTheLastMomentAndThenRunsItsTime) {
  UpgradeWithin("2.0.0", minutes(5));
  const v1::HandedCommand command = host->Fetch("n");
  room.clock.Advance(minutes(5));
  EXPECT_EQ(host->Fetch("n").command_id(), command.command_id());
  EXPECT_EQ(host->Ack(command), "");
  room.clock.Advance(minutes(5));
  Expire();
  EXPECT_EQ(StateOf(command), v1::COMMAND_STATE_TAKEN);
  EXPECT_EQ(host->SayOk(command), "");
  EXPECT_EQ(N().semantic_version(), "2.0.0");
}

TEST_F(Late, IsRefusedAMomentLaterAlthoughNobodyHasWithdrawnItYet) {
  UpgradeWithin("2.0.0", minutes(5));
  const v1::HandedCommand command = host->Fetch("n");
  room.clock.Advance(minutes(5) + microseconds(1));
  EXPECT_EQ(host->Fetch("n").command_id(), "") << "the hand-out passes over it";
  EXPECT_EQ(host->Ack(command), "COMMAND_LATE");
  EXPECT_EQ(StateOf(command), v1::COMMAND_STATE_OPEN);
  EXPECT_EQ(ChargedCores(), 6);
}

TEST_F(Late, GoesBackToWhatRunsWithItsBooks) {
  UpgradeWithin("2.0.0", minutes(5));
  const v1::HandedCommand command = host->Fetch("n");
  room.clock.Advance(minutes(5));
  Expire();
  EXPECT_EQ(Cancelled(), 0) << "it may still begin";
  room.clock.Advance(microseconds(1));
  Expire();
  EXPECT_EQ(StateOf(command), v1::COMMAND_STATE_CANCELLED);
  EXPECT_EQ(host->Ack(command), "COMMAND_ENDED");
  EXPECT_EQ(N().semantic_version(), "1.0.0");
  EXPECT_EQ(N().next_state(), v1::NEXT_STATE_UNSPECIFIED);
  EXPECT_EQ(ChargedCores(), 2);
  EXPECT_EQ(HeldCores(), 0);
  Expire();
  EXPECT_EQ(Cancelled(), 1);
  EXPECT_EQ(CountEvents("command_cancelled"), 1u);
}

TEST_F(Late, WhereNothingRunsItHasFailed) {
  Upgrade("2.0.0");
  const v1::HandedCommand earlier = host->Take("n");
  UpgradeWithin("3.0.0", minutes(5));
  EXPECT_EQ(host->Say(earlier, v1::OUTCOME_RESULT_NODE_UPGRADE_ROLLBACK), "");
  const v1::HandedCommand command = host->Fetch("n");
  room.clock.Advance(minutes(6));
  Expire();
  EXPECT_EQ(StateOf(command), v1::COMMAND_STATE_FAILED);
  EXPECT_EQ(N().node_state(), v1::NODE_STATE_FAILED);
  EXPECT_EQ(N().next_state(), v1::NEXT_STATE_UNSPECIFIED);
  Upgrade("2.0.0");
  host->Obey("n");
  EXPECT_EQ(N().node_state(), v1::NODE_STATE_RUNNING);
}

TEST_F(Late, WhatComesAfterItIsHandedOut) {
  UpgradeWithin("2.0.0", minutes(5));
  v1::RestartNodesRequest restart;
  restart.add_nodes("n");
  ASSERT_OK(room.Send<v1::RestartNodesResponse>("NodeService/RestartNodes", restart));
  room.clock.Advance(minutes(6));
  EXPECT_EQ(host->Fetch("n").command_id(), "") << "in order";
  Expire();
  EXPECT_EQ(host->Say(host->Take("n"), v1::OUTCOME_RESULT_OK, first), "");
  EXPECT_EQ(N().semantic_version(), "1.0.0");
  EXPECT_EQ(N().node_state(), v1::NODE_STATE_RUNNING);
}

TEST_F(Late, AHostThatWasBusyMayNotBeginLate) {
  UpgradeWithin("2.0.0", minutes(5));
  const v1::HandedCommand command = host->Take("n");
  EXPECT_EQ(host->Say(command, v1::OUTCOME_RESULT_BLOCKING_JOB_RUNNING, first, 1200), "");
  room.clock.Advance(minutes(6));
  Expire();
  EXPECT_EQ(StateOf(command), v1::COMMAND_STATE_CANCELLED);
  EXPECT_EQ(N().semantic_version(), "1.0.0");
  EXPECT_EQ(ChargedCores(), 2);
}

}  // namespace
}  // namespace tallyman
